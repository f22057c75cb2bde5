#!/usr/bin/env bash
# Small good files for the fuzzer to start from. Usage: make_seeds.sh FOLDER (of the repository's
# photos and goldens; needs ImageMagick and exiftool)
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
mkdir -p "$1"/{photo,exif,xmp,tiff,safetensors,recipe,history,config,tokenizer,lora,checkpoint,tar}
photo=$1/photo
source=$root/assets/photos/daisy-19813618946.jpg
tags=(-q -m -overwrite_original -EXIF:Make=Canon -EXIF:Orientation#=6 -EXIF:GPSLatitude=48.5
    -EXIF:GPSLatitudeRef=N -XMP-dc:Title=Daisy -XMP-exif:GPSLatitude=48.5)
for format in jpg png webp tif; do
    convert "$source" -resize 32x24! "$photo/plain.$format"
    convert "$source" -resize 32x24! "$photo/tagged.$format"
    exiftool "${tags[@]}" "$photo/tagged.$format"
done
convert "$source" -resize 24x24! -alpha set -channel A -fx 'i/w' +channel "$photo/clear.png"
convert "$source" -resize 24x24! -alpha set -channel A -fx 'i/w' +channel "$photo/clear.webp"
convert "$source" -resize 24x24! -depth 16 -define png:bit-depth=16 "$photo/deep.png"
convert "$source" -resize 24x24! -depth 16 "$photo/deep.tif"
convert "$source" -resize 24x24! -colorspace CMYK "$photo/print.jpg"
convert "$source" -resize 24x24! -colorspace Gray "$photo/grey.jpg"
convert -size 20x20 xc:red xc:blue -loop 0 "$photo/two.webp"
convert -size 20x20 xc:red xc:blue "$photo/two.gif"
# TIFFs with every kind of value, in both byte orders; a JPEG with IPTC, a PNG with text.
more=(-q -m -overwrite_original -EXIF:FNumber=2.8 -EXIF:ExposureCompensation=-2/3
    -EXIF:LensInfo='24 70 2.8 4' -EXIF:UserComment=hello -EXIF:SubjectArea='10 20 30 40'
    -EXIF:GPSTimeStamp=01:02:03.5 -EXIF:GPSAltitude=520.5 -EXIF:LensModel=EF50
    -IPTC:City=Berlin -IPTC:Keywords=a -IPTC:Keywords=b)
for order in lsb msb; do
    convert "$source" -resize 20x20! -define tiff:endian=$order "$photo/$order.tif"
    exiftool "${tags[@]}" "${more[@]}" "$photo/$order.tif"
    convert -size 16x16 xc:grey -define tiff:endian=$order "$1/tiff/$order.tif"
    exiftool "${tags[@]}" "${more[@]}" "$1/tiff/$order.tif"
done
convert -size 16x16 xc:red xc:blue "$photo/pages.tif"
cp "$photo/tagged.jpg" "$photo/iptc.jpg"
echo "a daisy" >"$1/tar/plain.txt"
cp "$photo/plain.png" "$1/tar/"
# Longer than a header's field of 100; ustar cuts a name at a slash alone.
long=$(printf 'n%.0s' {1..60})
mkdir "$1/tar/$long"
cp "$photo/plain.png" "$1/tar/$long/$long.png"
for kind in ustar gnu pax; do
    tar -C "$1/tar" --format=$kind -cf "$1/$kind.tar" --exclude="*.tar" .
done
rm -r "$1"/tar/*
mv "$1"/{ustar,gnu,pax}.tar "$1/tar/"
exiftool "${more[@]}" "$photo/iptc.jpg"
exiftool -b -exif "$photo/iptc.jpg" >"$1/tiff/block"
exiftool -b -iptc "$photo/iptc.jpg" >"$1/tiff/iptc"
cp "$photo/plain.png" "$photo/text.png"
exiftool -q -m -overwrite_original -PNG:Title='日本語' -PNG:Comment=plain "$photo/text.png"
cp "$photo/tagged.png" "$1/exif/"
exiftool -b -xmp "$photo/tagged.jpg" >"$1/xmp/packet.xmp"
exiftool -b -xmp "$root/tests/editor/cases/gps-in-other-names.jpg" >"$1/xmp/places.xmp"
cat >"$1/xmp/structures.xmp" <<'XMP'
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:e="http://ns.adobe.com/exif/1.0/" xmlns:a="urn:a" e:GPSAltitude="1">
<a:list><rdf:Seq><rdf:li rdf:parseType="Resource"><e:GPSLatitude>1</e:GPSLatitude><a:b>2</a:b></rdf:li>
<rdf:li>x</rdf:li></rdf:Seq></a:list><a:t><rdf:Alt><rdf:li xml:lang="en">y</rdf:li></rdf:Alt></a:t>
</rdf:Description></rdf:RDF></x:xmpmeta>
XMP
cp "$root"/tests/editor/cases/*.{png,tif,dng} "$photo/"
# The headers of real files are megabytes of weights away from small: one tensor of each kind.
python3 - "$1/safetensors" <<'PYTHON'
import json, struct, sys
def write(name, header, data):
    text = json.dumps(header).encode()
    open(f"{sys.argv[1]}/{name}", "wb").write(struct.pack("<Q", len(text)) + text + data)
write("one", {"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}, b"\0" * 8)
write("kinds", {"__metadata__": {"format": "pt"},
                "h": {"dtype": "F16", "shape": [1, 3], "data_offsets": [0, 6]},
                "b": {"dtype": "BF16", "shape": [2], "data_offsets": [6, 10]},
                "i": {"dtype": "I64", "shape": [], "data_offsets": [10, 18]}}, b"\1" * 18)
PYTHON
stage='"steps":1,"learning_rate":0.1,"batch_size":1,"adam":{"beta1":0.9,"beta2":0.99,"eps":1e-8}'
draws='"schedule":"cosine","warmup_steps":2,"draws":"stratified"'
recipe='{"prompt":"a","photo":"p.jpg","mode":"paper","crop":{"x":0,"y":0,"width":64,"height":64},"size":64,
"model":{"path":"m","fingerprint":"0"},"seed":0,"start":"","embedding":{'$stage','$draws'},
"finetune":{'$stage',"rank":4,'$draws'},"sample":{"sampler":"ddim","steps":2,"guidance_scale":3,
"negative_prompt":"","ddim_eta":0,"noise_share":0.5'
echo '{"keepsake":'"$recipe"'}}}' >"$1/recipe/old.json"
echo '{"kind":"keepsake session","version":1,"keepsake":'"$recipe"'}}}' >"$1/recipe/now.json"
echo '{"kind":"keepsake session","version":9,"keepsake":'"$recipe"',"speed":{"a":[1,null]}}}}' \
    >"$1/recipe/newer.json"
cat >"$1/history/history.json" <<'JSON'
{"kind":"keepsake history","version":1,"results":[{"eta":0.5,"seed":7,"sampler":"ddim","steps":2,
"guidance":3.5,"negative":"blurry","ddim_eta":0.5,"noise_share":0.5},{"eta":1,"seed":0,"sampler":"euler",
"steps":20,"guidance":1,"negative":"","ddim_eta":0}],"shown":0}
JSON
# The files of models: configurations as they are, a vocabulary of a few words, a LoRA of two
# layers, and the headers of checkpoints.
model=$root/assets/models/flowers
for name in model_index text_encoder/config unet/config vae/config scheduler/scheduler_config keepsake; do
    cp "$model/$name.json" "$1/config/${name/\//-}.json"
done
cp "$root/tests/goldens/dpmsolver_scheduler_config.json" "$1/config/"
echo '{"metadata":{"total_size":8},"weight_map":{"quant_conv.weight":"shard.safetensors"}}' \
    >"$1/config/index.json"
python3 - "$root" "$1" <<'PYTHON'
import json, struct, sys
root, seeds = sys.argv[1:]
def name_of(path): return f"{seeds}/{path}"
for layout in ("sd15", "medium"):
    for part, content in json.load(open(f"{root}/tests/goldens/layout_{layout}.json")).items():
        json.dump(content["config"], open(name_of(f"config/{layout}-{part}.json"), "w"))

def tokenizer(name, *files):
    open(name_of(f"tokenizer/{name}"), "wb").write("\0".join(files).encode())
start, end = "<|startoftext|>", "<|endoftext|>"
words = ["a", "b", "a</w>", "b</w>", "ab", "ab</w>", "!", "!</w>", start, end]
vocabulary = {word: i for i, word in enumerate(words)}
merges = ["a b", "a b</w>"]
vocab, lines = json.dumps(vocabulary), "#version: 0.2\n" + "\n".join(merges) + "\n"
token = {"content": end, "lstrip": False, "normalized": True, "rstrip": False, "single_word": False}
config = {"bos_token": start, "eos_token": token, "model_max_length": 12, "pad_token": "!"}
listed = {"added_tokens_decoder": {"8": {"content": start, "special": True}, "9": token,
                                   "10": {"content": " x", "lstrip": True, "rstrip": True}}}
whole = {"added_tokens": [{"id": 8, "content": start, "special": True}, {"id": 9, **token}],
         "model": {"type": "BPE", "vocab": vocabulary, "merges": [["a", "b"], "a b</w>"]}}
tokenizer("plain", vocab, lines, "", "", "", "", "ab ba!")
tokenizer("configured", vocab, lines, "", json.dumps(config), '{"<x>": 10}', '{"pad_token": "!"}',
          "ab <x> ba!")
tokenizer("listed", vocab, lines, "", json.dumps({**config, **listed}), "", "", "ab x b" + end)
tokenizer("whole", "", "", json.dumps(whole), json.dumps(config), "", "", "abab")

def tensors(path, shapes, metadata={}):
    header, data, at = {"__metadata__": metadata}, b"", 0
    for tensor, (shape, values) in shapes.items():
        size = 4 * len(values)
        header[tensor] = {"dtype": "F32", "shape": shape, "data_offsets": [at, at + size]}
        data, at = data + struct.pack(f"<{len(values)}f", *values), at + size
    text = json.dumps(header).encode()
    open(path, "wb").write(struct.pack("<Q", len(text)) + text + data)
weights = f"{root}/assets/models/flowers/unet/diffusion_pytorch_model.safetensors"
with open(weights, "rb") as file:
    unet = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
matrix = next(n for n in unet if n.endswith("attn1.to_q.weight"))
convolution = next(n for n in unet if n.endswith("resnets.0.conv1.weight"))
lora = {}
for weight in (matrix, convolution):
    sides = unet[weight]["shape"]
    layer = "lora_unet_" + weight.removesuffix(".weight").replace(".", "_")
    count = 1
    for side in sides[1:]: count *= side
    lora[layer + ".lora_down.weight"] = ([1, *sides[1:]], [0.5] * count)
    lora[layer + ".lora_up.weight"] = ([sides[0], 1] + [1] * (len(sides) - 2), [0.5] * sides[0])
    lora[layer + ".alpha"] = ([], [1.0])
tensors(name_of("lora/kohya.safetensors"), lora, {"ss_network_dim": "1"})
for name in ("ldm_sd1", "ldm_sd2"):
    with open(f"{root}/tests/goldens/{name}.safetensors", "rb") as file:
        header = file.read(struct.unpack("<Q", file.read(8))[0])
    open(name_of(f"checkpoint/{name}.json"), "wb").write(header.strip())
PYTHON
