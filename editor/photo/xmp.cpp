#include "editor/photo/xmp.h"

#include <cctype>
#include <vector>

namespace keepsake::editor {
namespace {

constexpr std::string_view open_recipe = "<keepsake:recipe>", close_recipe = "</keepsake:recipe>";
constexpr std::string_view open_block =
    "<rdf:Description rdf:about=\"\" xmlns:keepsake=\"urn:keepsake:1.0\">";
constexpr std::string_view close_block = "</rdf:Description>";

bool is_name(char c) {
    return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == ':' || c == '-';
}

std::string escaped(std::string_view text) {
    std::string out;
    for (const char c : text) {
        if (c == '&')
            out += "&amp;";
        else if (c == '<')
            out += "&lt;";
        else if (c == '>')
            out += "&gt;";
        else
            out += c;
    }
    return out;
}

std::string unescaped(std::string_view text) {
    struct Entity {
        std::string_view name;
        char meaning;
    };
    constexpr Entity entities[] = {
        {"&amp;", '&'}, {"&lt;", '<'}, {"&gt;", '>'}, {"&quot;", '"'}, {"&apos;", '\''}};
    std::string out;
    while (!text.empty()) {
        std::size_t taken = 1;
        char c = text.front();
        for (const Entity& entity : entities) {
            if (!text.starts_with(entity.name)) continue;
            taken = entity.name.size();
            c = entity.meaning;
        }
        out += c;
        text.remove_prefix(taken);
    }
    return out;
}

// Removes the attribute or element whose name begins at `at`. The place to go on from.
std::size_t remove_property(std::string& packet, std::size_t at) {
    std::size_t name_end = at;
    while (name_end < packet.size() && is_name(packet[name_end])) ++name_end;
    const std::string name = packet.substr(at, name_end - at);
    if (at > 0 && packet[at - 1] == '<') {
        const std::string close = "</" + name + ">";
        const std::size_t tag_end = packet.find('>', name_end);
        if (tag_end == packet.npos) return name_end;
        std::size_t end = tag_end + 1;
        if (packet[tag_end - 1] != '/') {
            const std::size_t closing = packet.find(close, tag_end);
            if (closing == packet.npos) return name_end;
            end = closing + close.size();
        }
        packet.erase(at - 1, end - (at - 1));
        return at - 1;
    }
    if (name_end + 1 < packet.size() && packet[name_end] == '=' &&
        (packet[name_end + 1] == '"' || packet[name_end + 1] == '\'')) {
        const std::size_t end = packet.find(packet[name_end + 1], name_end + 2);
        if (end == packet.npos) return name_end;
        packet.erase(at, end + 1 - at);
        return at;
    }
    return name_end;
}

}  // namespace

std::string upright_xmp(std::string packet) {
    constexpr std::string_view property = "tiff:Orientation";
    for (std::size_t at = packet.find(property); at != packet.npos;
         at = packet.find(property, at + 1)) {
        // tiff:Orientation="6" or <tiff:Orientation>6<
        const std::size_t digit = packet.find_first_not_of("=\"'> ", at + property.size());
        if (digit != packet.npos && packet[digit] >= '1' && packet[digit] <= '8') {
            packet[digit] = '1';
        }
    }
    return packet;
}

std::string xmp_without_gps(std::string packet) {
    constexpr std::string_view property = "exif:GPS";
    std::size_t at = packet.find(property);
    while (at != packet.npos) at = packet.find(property, remove_property(packet, at));
    return packet;
}

std::string xmp_with_recipe(std::string packet, std::string_view recipe) {
    if (packet.empty()) {
        packet =
            "<?xpacket begin=\"\xef\xbb\xbf\" id=\"W5M0MpCehiHzreSzNTczkc9d\"?>"
            "<x:xmpmeta xmlns:x=\"adobe:ns:meta/\">"
            "<rdf:RDF xmlns:rdf=\"http://www.w3.org/1999/02/22-rdf-syntax-ns#\">"
            "</rdf:RDF></x:xmpmeta><?xpacket end=\"w\"?>";
    }
    const std::size_t first = packet.find(open_block);
    if (first != packet.npos) {
        const std::size_t last = packet.find(close_block, first);
        if (last == packet.npos) return packet;
        packet.erase(first, last + close_block.size() - first);
    }
    const std::size_t end = packet.rfind("</rdf:RDF>");
    if (end == packet.npos) return packet;
    std::string block(open_block);
    block += open_recipe;
    block += escaped(recipe);
    block += close_recipe;
    block += close_block;
    packet.insert(end, block);
    return packet;
}

std::optional<std::string> recipe_in_xmp(std::string_view packet) {
    const std::size_t first = packet.find(open_recipe);
    if (first == packet.npos) return std::nullopt;
    const std::size_t begin = first + open_recipe.size();
    const std::size_t last = packet.find(close_recipe, begin);
    if (last == packet.npos) return std::nullopt;
    return unescaped(packet.substr(begin, last - begin));
}

}  // namespace keepsake::editor
