"""The U-Net of a diffusers folder in OpenVINO. Usage: python openvino_peer.py MODEL THREADS

As peer.py: each line on stdin is "PART ITERATIONS", PART unet-N (N the batch), unet-N-bfloat16
or generate-few (peer.py's pipeline around OpenVINO's network); the answer is the seconds of one call. The network is converted from diffusers' own by
openvino.convert_model, with fixed shapes, latency hint, the asked number of threads, and float32 or
bfloat16 asked for (on some processors bfloat16 is the default).
"""

import gc
import pathlib
import sys
import warnings

import openvino
import torch
from peer import answer_lines, be_quiet, few_steps, load, load_unet, time_calls, unet_inputs


class Prediction(torch.nn.Module):
    def __init__(self, unet):
        super().__init__()
        self.unet = unet

    def forward(self, sample, timestep, context):
        return self.unet(sample, timestep, encoder_hidden_states=context, return_dict=False)[0]


def compile_unet(path, batch, threads, timesteps=1, precision="f32"):
    """A call (sample, timestep, context) -> numpy array, for inputs of exactly this batch and this
    many timesteps, all float32 outside; and inputs to call it with."""
    unet = load_unet(path)
    sample, timestep, context = unet_inputs(unet, batch)
    inputs = (sample, timestep.expand(timesteps).contiguous(), context)
    with torch.no_grad(), warnings.catch_warnings():
        # Shapes that diffusers asks for in `if`s become constants, as they are here.
        warnings.simplefilter("ignore", torch.jit.TracerWarning)
        model = openvino.convert_model(
            Prediction(unet), example_input=inputs, input=[tuple(x.shape) for x in inputs]
        )
    compiled = openvino.Core().compile_model(model, "CPU", {
        "INFERENCE_PRECISION_HINT": precision,
        "INFERENCE_NUM_THREADS": threads,
        "PERFORMANCE_HINT": "LATENCY",
    })
    request = compiled.create_infer_request()
    del unet, model
    gc.collect()

    def call(*tensors):
        arrays = [tensor.numpy() for tensor in tensors]
        return next(iter(request.infer(arrays, share_inputs=True).values()))

    return call, inputs


class Network(torch.nn.Module):
    """What a pipeline takes for its U-Net."""

    def __init__(self, call, config):
        super().__init__()
        self.call, self.config = call, config
        self.dtype, self.device = torch.float32, torch.device("cpu")

    def forward(self, sample, timestep, encoder_hidden_states, **_):
        return (torch.from_numpy(self.call(
            sample, torch.as_tensor(timestep, dtype=torch.float32).reshape(1),
            encoder_hidden_states)),)


class Bench:
    def __init__(self, path, threads):
        self.path, self.threads, self.calls, self.draw = path, threads, {}, None

    def drawing(self):
        be_quiet()
        pipe = load(self.path)
        size = pipe.unet.config.sample_size * pipe.vae_scale_factor
        pipe.unet = Network(compile_unet(self.path, 1, self.threads)[0], pipe.unet.config)
        return few_steps(pipe, size)

    def time(self, part, iterations):
        if part == "generate-few":
            self.draw = self.draw or self.drawing()
            return time_calls(iterations, self.draw)
        if part not in self.calls:
            batch = int(part.split("-")[1])
            precision = "bf16" if part.endswith("bfloat16") else "f32"
            self.calls[part] = compile_unet(self.path, batch, self.threads, precision=precision)
        call, inputs = self.calls[part]
        return time_calls(iterations, lambda: call(*inputs))


def main():
    model, threads = sys.argv[1:]
    torch.set_num_threads(int(threads))
    bench = Bench(pathlib.Path(model), int(threads))
    answer_lines(bench.time)


if __name__ == "__main__":
    main()
