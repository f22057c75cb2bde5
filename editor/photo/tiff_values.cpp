#include "editor/photo/tiff_values.h"

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>
#include <vector>

namespace keepsake::editor {
namespace {

bool is_integer(TIFFDataType type) {
    return type == TIFF_BYTE || type == TIFF_SHORT || type == TIFF_LONG || type == TIFF_SBYTE ||
           type == TIFF_SSHORT || type == TIFF_SLONG;
}

bool is_fraction(TIFFDataType type) {
    return type == TIFF_RATIONAL || type == TIFF_SRATIONAL;
}

bool is_bytes(TIFFDataType type) {
    return type == TIFF_ASCII || type == TIFF_UNDEFINED;
}

template <class Number>
void append(std::string& bytes, Number value) {
    bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
}

void append_integer(std::string& bytes, std::int64_t value, std::size_t size) {
    if (size == 1) append(bytes, static_cast<std::uint8_t>(value));
    if (size == 2) append(bytes, static_cast<std::uint16_t>(value));
    if (size == 4) append(bytes, static_cast<std::uint32_t>(value));
}

struct Fraction {
    std::int64_t numerator = 0, denominator = 1;
};

// The first convergent of the continued fraction that is the value as exactly as libtiff has it.
Fraction fraction_of(double value, double precision, std::int64_t most) {
    Fraction before{0, 1}, now{1, 0};
    double rest = std::abs(value);
    for (int i = 0; i < 64 && std::isfinite(rest); ++i) {
        const double whole = std::floor(rest);
        if (whole > static_cast<double>(most)) break;
        const auto n = static_cast<std::int64_t>(whole);
        const double top = whole * double(now.numerator) + double(before.numerator);
        const double bottom = whole * double(now.denominator) + double(before.denominator);
        if (top > double(most) || bottom > double(most)) break;
        const Fraction next{n * now.numerator + before.numerator,
                            n * now.denominator + before.denominator};
        before = now;
        now = next;
        const double error =
            std::abs(double(now.numerator) / double(now.denominator) - std::abs(value));
        if (error <= precision * std::abs(value) || rest == whole) break;
        rest = 1 / (rest - whole);
    }
    if (now.denominator == 0) return {most, 1};  // more than there is room for
    if (value < 0) now.numerator = -now.numerator;
    return now;
}

template <class Number>
Number number_at(const void* data, std::size_t i) {
    Number number;
    std::memcpy(&number, static_cast<const char*>(data) + i * sizeof number, sizeof number);
    return number;
}

// `count` numbers as libtiff keeps them, each in `size` bytes.
std::string laid_out(TIFFDataType type, const void* data, std::size_t count, std::size_t size) {
    std::string bytes;
    for (std::size_t i = 0; i < count; ++i) {
        if (is_fraction(type)) {
            const bool wide = size == sizeof(double);
            const double value = wide ? number_at<double>(data, i) : number_at<float>(data, i);
            const auto most = type == TIFF_RATIONAL
                                  ? std::int64_t{std::numeric_limits<std::uint32_t>::max()}
                                  : std::int64_t{std::numeric_limits<std::int32_t>::max()};
            const Fraction of = fraction_of(value, wide ? 1.2e-16 : 6e-8, most);
            append_integer(bytes, of.numerator, 4);
            append_integer(bytes, of.denominator, 4);
        } else {
            bytes.append(static_cast<const char*>(data) + i * size, size);
        }
    }
    return bytes;
}

// Of the type that EXIF has by the same number.
std::optional<ExifValue> value_of(const TIFFField* field, const void* data, std::size_t count) {
    const TIFFDataType type = TIFFFieldDataType(field);
    const auto size = static_cast<std::size_t>(TIFFFieldSetGetSize(field));
    if (!data || count == 0) return std::nullopt;
    if (!is_bytes(type) && !is_integer(type) && !is_fraction(type)) return std::nullopt;
    if (is_integer(type) && size != static_cast<std::size_t>(TIFFDataWidth(type))) {
        return std::nullopt;
    }
    return ExifValue{static_cast<ExifFormat>(type), static_cast<unsigned long>(count),
                     laid_out(type, data, count, is_bytes(type) ? 1 : size)};
}

double number_of(const unsigned char* data, ExifFormat format, ExifByteOrder order) {
    switch (format) {
        case EXIF_FORMAT_BYTE:
        case EXIF_FORMAT_UNDEFINED:
            return *data;
        case EXIF_FORMAT_SBYTE:
            return static_cast<signed char>(*data);
        case EXIF_FORMAT_SHORT:
            return exif_get_short(data, order);
        case EXIF_FORMAT_SSHORT:
            return exif_get_sshort(data, order);
        case EXIF_FORMAT_LONG:
            return exif_get_long(data, order);
        case EXIF_FORMAT_SLONG:
            return exif_get_slong(data, order);
        case EXIF_FORMAT_RATIONAL: {
            const ExifRational r = exif_get_rational(data, order);
            return r.denominator == 0 ? 0 : double(r.numerator) / double(r.denominator);
        }
        case EXIF_FORMAT_SRATIONAL: {
            const ExifSRational r = exif_get_srational(data, order);
            return r.denominator == 0 ? 0 : double(r.numerator) / double(r.denominator);
        }
        default:
            return std::nan("");
    }
}

// The entry's components in the layout of libtiff's field; empty where one has no place there.
std::string in_layout_of(const TIFFField* field, const ExifEntry& entry, ExifByteOrder order) {
    const TIFFDataType type = TIFFFieldDataType(field);
    if (is_bytes(type)) return {reinterpret_cast<const char*>(entry.data), entry.size};
    const int size = TIFFFieldSetGetSize(field);
    const std::size_t step = exif_format_get_size(entry.format);
    std::string out;
    for (std::size_t i = 0; i < entry.components && (i + 1) * step <= entry.size; ++i) {
        const double value = number_of(entry.data + i * step, entry.format, order);
        if (!std::isfinite(value)) return {};
        if (is_fraction(type) && size == sizeof(double)) {
            append(out, value);
        } else if (is_fraction(type)) {
            append(out, static_cast<float>(value));
        } else if (is_integer(type) && std::abs(value) <= 4294967295.0) {
            append_integer(out, std::llround(value), static_cast<std::size_t>(size));
        } else {
            return {};
        }
    }
    return out;
}

void set_scalar(TIFF* tiff, std::uint32_t tag, const TIFFField* field, const std::string& value) {
    const TIFFDataType type = TIFFFieldDataType(field);
    if (is_fraction(type)) {
        const bool wide = value.size() == sizeof(double);
        TIFFSetField(
            tiff, tag,
            wide ? number_at<double>(value.data(), 0) : double(number_at<float>(value.data(), 0)));
    } else if (value.size() == 4) {
        TIFFSetField(tiff, tag, number_at<std::uint32_t>(value.data(), 0));
    } else if (value.size() == 2) {
        TIFFSetField(tiff, tag, int{number_at<std::uint16_t>(value.data(), 0)});
    } else if (value.size() == 1) {
        TIFFSetField(tiff, tag, int{number_at<std::uint8_t>(value.data(), 0)});
    }
}

// The field of a tag; one that libtiff does not know is made known in the type that it has here.
const TIFFField* field_for(TIFF* tiff, std::uint32_t tag, ExifFormat format) {
    if (const TIFFField* known = TIFFFindField(tiff, tag, TIFF_ANY)) return known;
    const auto type = static_cast<TIFFDataType>(format);
    if (!is_bytes(type) && !is_integer(type) && !is_fraction(type)) return nullptr;
    static char name[] = "EXIF";
    const TIFFFieldInfo info{tag, TIFF_VARIABLE2, TIFF_VARIABLE2, type, FIELD_CUSTOM, 1, 1, name};
    TIFFMergeFieldInfo(tiff, &info, 1);
    return TIFFFindField(tiff, tag, TIFF_ANY);
}

// The entry of that tag, if it is this many fractions.
const ExifEntry* fractions_in(const ExifContent& content, int tag, int type, std::uint32_t count) {
    for (unsigned i = 0; i < content.count; ++i) {
        const ExifEntry* entry = content.entries[i];
        const bool same = entry->tag == tag && entry->format == type && entry->components == count;
        if (same && is_fraction(static_cast<TIFFDataType>(type)) &&
            entry->size >= 8 * std::size_t{count}) {
            return entry;
        }
    }
    return nullptr;
}

}  // namespace

std::optional<ExifValue> read_tiff_value(TIFF* tiff, std::uint32_t tag) {
    const TIFFField* field = TIFFFindField(tiff, tag, TIFF_ANY);
    if (!field) return std::nullopt;
    void* data = nullptr;
    const int count = TIFFFieldReadCount(field);
    if (TIFFFieldPassCount(field)) {
        std::uint16_t few = 0;
        std::uint32_t many = 0;
        const bool wide = TIFFFieldSetGetCountSize(field) == 4;
        const int found =
            wide ? TIFFGetField(tiff, tag, &many, &data) : TIFFGetField(tiff, tag, &few, &data);
        return found ? value_of(field, data, wide ? many : few) : std::nullopt;
    }
    if (TIFFFieldDataType(field) == TIFF_ASCII) {
        if (!TIFFGetField(tiff, tag, &data) || !data) return std::nullopt;
        return value_of(field, data, std::strlen(static_cast<const char*>(data)) + 1);
    }
    if (count == 1) {
        alignas(8) unsigned char scalar[8] = {};
        return TIFFGetField(tiff, tag, scalar) ? value_of(field, scalar, 1) : std::nullopt;
    }
    if (count < 1 || !TIFFGetField(tiff, tag, &data)) return std::nullopt;
    return value_of(field, data, static_cast<std::size_t>(count));
}

void write_tiff_value(TIFF* tiff, std::uint32_t tag, const ExifEntry& entry, ExifByteOrder order) {
    if (!entry.data || entry.size == 0) return;
    const TIFFField* field = field_for(tiff, tag, entry.format);
    if (!field) return;
    std::string value = in_layout_of(field, entry, order);
    if (value.empty()) return;
    const TIFFDataType type = TIFFFieldDataType(field);
    if (type == TIFF_ASCII && value.back() != '\0') value += '\0';
    const auto item = static_cast<std::size_t>(is_bytes(type) ? 1 : TIFFFieldSetGetSize(field));
    const std::size_t count = value.size() / item;
    const int room = TIFFFieldWriteCount(field);
    if (TIFFFieldPassCount(field)) {
        if (TIFFFieldSetGetCountSize(field) == 4) {
            TIFFSetField(tiff, tag, static_cast<std::uint32_t>(count), value.data());
        } else if (count <= 0xffff) {
            TIFFSetField(tiff, tag, static_cast<int>(count), value.data());
        }
    } else if (type == TIFF_ASCII) {
        TIFFSetField(tiff, tag, value.data());
    } else if (room == 1 && count >= 1) {
        set_scalar(tiff, tag, field, value.substr(0, item));
    } else if (room > 1 && count == static_cast<std::size_t>(room)) {
        TIFFSetField(tiff, tag, value.data());
    }
}

void restore_fractions(std::string& file, std::uint64_t offset, const ExifContent& from,
                       ExifByteOrder order) {
    // A count, then entries of 12 bytes: tag, type, count, where the value lies.
    constexpr std::size_t entry_size = 12;
    if (offset == 0 || offset + 2 > file.size()) return;
    const auto count = number_at<std::uint16_t>(file.data() + offset, 0);
    if ((file.size() - offset - 2) / entry_size < count) return;
    for (std::size_t i = 0; i < count; ++i) {
        const char* at = file.data() + offset + 2 + i * entry_size;
        const auto values = number_at<std::uint32_t>(at, 1);
        const std::size_t place = number_at<std::uint32_t>(at, 2);
        const ExifEntry* entry = fractions_in(from, number_at<std::uint16_t>(at, 0),
                                              number_at<std::uint16_t>(at, 1), values);
        if (!entry || place > file.size() || (file.size() - place) / 8 < values) continue;
        for (std::size_t k = 0; k < 2 * std::size_t{values}; ++k) {
            const ExifLong part = exif_get_long(entry->data + 4 * k, order);
            std::memcpy(file.data() + place + 4 * k, &part, 4);
        }
    }
}

}  // namespace keepsake::editor
