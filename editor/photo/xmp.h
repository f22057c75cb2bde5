// An XMP packet (ISO 16684-1) as far as an export touches it: text in, text out.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace keepsake::editor {

// The packet with tiff:Orientation, where there is one, saying upright.
std::string upright_xmp(std::string packet);

// The packet without the exif:GPS... properties.
std::string xmp_without_gps(std::string packet);

// The packet (an empty one: a new one) with the recipe, ASCII JSON, as the property
// keepsake:recipe; an earlier recipe is replaced. A packet without an rdf:RDF element is returned
// as it is.
std::string xmp_with_recipe(std::string packet, std::string_view recipe);

// The recipe in a packet.
std::optional<std::string> recipe_in_xmp(std::string_view packet);

}  // namespace keepsake::editor
