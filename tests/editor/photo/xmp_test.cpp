// XMP packets by namespace, whatever prefixes they have. Read back by exiftool.
#include "editor/photo/xmp.h"

#include <gtest/gtest.h>

#include "editor/photo/jpeg_segments.h"
#include "editor/photo/jpeg_xmp.h"
#include "editor/photo/xmp_packet.h"

namespace keepsake::editor {
namespace {

std::string packet_of(const std::string& inside, const std::string& namespaces = {}) {
    return "<x:xmpmeta xmlns:x=\"adobe:ns:meta/\"><rdf:RDF "
           "xmlns:rdf=\"http://www.w3.org/1999/02/22-rdf-syntax-ns#\"><rdf:Description "
           "rdf:about=\"\" xmlns:e=\"http://ns.adobe.com/exif/1.0/\" "
           "xmlns:t=\"http://ns.adobe.com/tiff/1.0/\" "
           "xmlns:dc=\"http://purl.org/dc/elements/1.1/\" " +
           namespaces + ">" + inside + "</rdf:Description></rdf:RDF></x:xmpmeta>";
}

std::string stripped(const std::string& packet) {
    return updated_xmp(packet, {.strip_place = true});
}

bool holds(const std::string& text, const std::string& part) {
    return text.find(part) != text.npos;
}

TEST(Xmp, TheRecipeIsFoundByItsNamespace) {
    const std::string once = updated_xmp("", {.recipe = "{1}"});
    const std::string twice = updated_xmp(once, {.recipe = "{<2> & \"3\"}"});
    EXPECT_EQ(recipe_in_xmp(once), "{1}");
    EXPECT_EQ(recipe_in_xmp(twice), "{<2> & \"3\"}");
    EXPECT_FALSE(holds(twice, "{1}"));
    EXPECT_EQ(recipe_in_xmp(packet_of("<k:recipe>{4}</k:recipe>", "xmlns:k=\"urn:keepsake:1.0\"")),
              "{4}");
    EXPECT_EQ(recipe_in_xmp(packet_of("<keepsake:recipe>{5}</keepsake:recipe>",
                                      "xmlns:keepsake=\"urn:another\"")),
              std::nullopt);
    EXPECT_EQ(recipe_in_xmp("<keepsake:recipe>unclosed"), std::nullopt);
}

TEST(Xmp, WhatCannotBeReadStaysUnlessItMayHoldAPlace) {
    const std::string broken = "no packet, GPSLatitude=\"1\"";
    EXPECT_EQ(updated_xmp(broken, {.recipe = "{}"}), broken);
    EXPECT_EQ(stripped(broken), "");
    std::string deep;
    for (int i = 0; i < 100000; ++i) deep += "<dc:a q=\"/>\">";
    EXPECT_EQ(parsed_xmp(packet_of(deep)), nullptr);
    EXPECT_EQ(parsed_xmp(deep), nullptr);
    EXPECT_EQ(updated_xmp("", {}), "");
    const std::string plain = packet_of("<dc:format>image/jpeg</dc:format>");
    EXPECT_EQ(updated_xmp(plain, {}), plain);
}

TEST(Xmp, PlacesGoFromEveryNamespaceAndDepth) {
    const std::string packet = stripped(packet_of(
        "<e:GPSLatitude>SECRET</e:GPSLatitude><dji:GpsLongtitude>SECRET</dji:GpsLongtitude>"
        "<dji:AbsoluteAltitude>SECRET</dji:AbsoluteAltitude><geo:lat>SECRET</geo:lat>"
        "<geo:long>SECRET</geo:long><e:MakerNote>SECRET</e:MakerNote>"
        "<x1:Latitude>SECRET</x1:Latitude><x1:list><rdf:Seq><rdf:li rdf:parseType=\"Resource\">"
        "<x1:lon>SECRET</x1:lon><x1:city>Bonn</x1:city></rdf:li><rdf:li rdf:parseType=\"Resource\">"
        "<e:GPSDestLatitude>SECRET</e:GPSDestLatitude><x1:city>Ulm</x1:city></rdf:li></rdf:Seq>"
        "</x1:list><dc:title><rdf:Alt><rdf:li xml:lang=\"x-default\">A &lt;daisy&gt;</rdf:li>"
        "</rdf:Alt></dc:title>",
        "xmlns:dji=\"http://www.dji.com/drone-dji/1.0/\" "
        "xmlns:geo=\"http://www.w3.org/2003/01/geo/wgs84_pos#\" xmlns:x1=\"urn:some\" "
        "e:GPSAltitude=\"SECRET\""));
    EXPECT_FALSE(holds(packet, "SECRET")) << packet;
    for (const char* kept : {"Bonn", "Ulm", "A &lt;daisy&gt;"}) EXPECT_TRUE(holds(packet, kept));
}

TEST(Xmp, WhatWasTrueOfThePhotoBeforeGoes) {
    const std::string before = packet_of(
        "<xmp:Thumbnails><rdf:Alt><rdf:li rdf:parseType=\"Resource\"><g:image>STALE</g:image>"
        "</rdf:li></rdf:Alt></xmp:Thumbnails><h:Version>STALE</h:Version>"
        "<c:Directory><rdf:Seq><rdf:li rdf:parseType=\"Resource\"><c:Item i:Semantic=\"STALE\" "
        "i:Length=\"9\"/></rdf:li></rdf:Seq></c:Directory><cam:MotionPhoto>STALE</cam:MotionPhoto>"
        "<cam:Kept>kept</cam:Kept><d:Data>STALE</d:Data><e:UserComment><rdf:Alt><rdf:li "
        "xml:lang=\"x-default\">STALE Steps: 20, Sampler: Euler a, CFG scale: 7</rdf:li></rdf:Alt>"
        "</e:UserComment><t:Orientation>6</t:Orientation><t:ImageWidth>9</t:ImageWidth>"
        "<e:PixelXDimension>9</e:PixelXDimension>",
        "xmlns:xmp=\"http://ns.adobe.com/xap/1.0/\" xmlns:g=\"http://ns.adobe.com/xap/1.0/g/img/\" "
        "xmlns:h=\"http://ns.adobe.com/hdr-gain-map/1.0/\" "
        "xmlns:c=\"http://ns.google.com/photos/1.0/container/\" "
        "xmlns:i=\"http://ns.google.com/photos/1.0/container/item/\" "
        "xmlns:cam=\"http://ns.google.com/photos/1.0/camera/\" "
        "xmlns:d=\"http://ns.google.com/photos/1.0/depthmap/\"");
    const std::string after = updated_xmp(before, {.width = 32, .height = 24});
    EXPECT_FALSE(holds(after, "STALE")) << after;
    EXPECT_TRUE(holds(after, "kept"));
    const XmpHandle xmp = parsed_xmp(after);
    EXPECT_EQ(xmp_value(xmp.get(), xmp_name::tiff, "Orientation"), "1");
    EXPECT_EQ(xmp_value(xmp.get(), xmp_name::tiff, "ImageWidth"), "32");
    EXPECT_EQ(xmp_value(xmp.get(), xmp_name::tiff, "ImageLength"), std::nullopt);
    EXPECT_EQ(xmp_value(xmp.get(), xmp_name::exif, "PixelXDimension"), "32");
}

TEST(Xmp, TheSourceIsIptcs) {
    const auto source = [](const std::string& packet, PictureSource of) {
        const XmpHandle xmp = parsed_xmp(updated_xmp(packet, {.source = of}));
        return xmp_value(xmp.get(), xmp_name::iptc_extension, "DigitalSourceType");
    };
    const std::string base = "http://cv.iptc.org/newscodes/digitalsourcetype/";
    const auto told = [&](const std::string& value) {
        return packet_of("<i:DigitalSourceType>" + base + value + "</i:DigitalSourceType>",
                         "xmlns:i=\"http://iptc.org/std/Iptc4xmpExt/2008-02-29/\"");
    };
    const std::string edited = base + "compositeWithTrainedAlgorithmicMedia";
    const std::string made = base + "trainedAlgorithmicMedia";
    EXPECT_EQ(source("", PictureSource::edited_by_model), edited);
    EXPECT_EQ(source("", PictureSource::made_by_model), made);
    EXPECT_EQ(source(told("digitalCapture"), PictureSource::edited_by_model), edited);
    EXPECT_EQ(source(told("trainedAlgorithmicMedia"), PictureSource::edited_by_model), made);
    EXPECT_EQ(source(told("digitalCapture"), PictureSource::as_before), base + "digitalCapture");
}

TEST(Xmp, OfAnySizeGoesThroughAJpeg) {
    std::string items;
    for (int i = 0; i < 3000; ++i)
        items += "<rdf:li>step " + std::to_string(i) + " of many</rdf:li>";
    const std::string packet = updated_xmp(
        packet_of("<p:History><rdf:Seq>" + items + "</rdf:Seq></p:History><dc:format>f</dc:format>",
                  "xmlns:p=\"urn:program\""),
        {.recipe = "{}"});
    ASSERT_GT(packet.size(), 70000u);
    const std::string bare("\xff\xd8\xff\xe0\0\x04xx\xff\xda\0\x02", 12);
    const auto jpeg = jpeg_with_xmp(bare, packet);
    ASSERT_TRUE(jpeg);
    std::string first;
    for (const JpegSegment& segment : jpeg_segments(*jpeg)) {
        const std::string name("http://ns.adobe.com/xap/1.0/\0", 29);
        if (segment.content.starts_with(name)) first = segment.content.substr(name.size());
    }
    EXPECT_EQ(recipe_in_xmp(first), "{}");
    EXPECT_FALSE(holds(first, "step 7 of many"));
    const std::string whole = with_extended_xmp(*jpeg, first);
    for (const char* part : {"step 0 of many", "step 2999 of many", "keepsake", ">f<"}) {
        EXPECT_TRUE(holds(whole, part) || holds(whole, "\"f\"")) << part;
    }
    EXPECT_FALSE(holds(whole, "HasExtendedXMP"));
    // Without one part of the rest, or with another rest, the first alone.
    std::string damaged = *jpeg;
    damaged[damaged.find("step 2999") + 5] = 'x';
    EXPECT_EQ(with_extended_xmp(damaged, first), first);
    EXPECT_EQ(with_extended_xmp("", first), first);
    // The program's own part cannot be moved, and noise cannot be divided.
    EXPECT_FALSE(jpeg_with_xmp(bare, updated_xmp("", {.recipe = std::string(70000, 'a')})));
    EXPECT_FALSE(jpeg_with_xmp(bare, std::string(70000, 'a')));
    EXPECT_EQ(jpeg_with_xmp(bare, ""), bare);
}

TEST(Jpeg, SegmentsEndAtDamage) {
    const std::string good(
        "\xff\xd8\xff\xe1\0\x04"
        "ab\xff\xda\0\x02",
        12);
    ASSERT_EQ(jpeg_segments(good).size(), 1u);
    EXPECT_EQ(jpeg_segments(good)[0].content, "ab");
    for (std::size_t size = 0; size < 8; ++size) {
        EXPECT_TRUE(jpeg_segments(good.substr(0, size)).empty());
    }
    EXPECT_TRUE(jpeg_segments(std::string("\xff\xd8\xff\xe1\0\x01"
                                          "ab",
                                          8))
                    .empty());
}

}  // namespace
}  // namespace keepsake::editor
