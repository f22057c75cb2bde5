#include "pipeline/text/unicode.h"

#include <unicode/normalizer2.h>
#include <unicode/uchar.h>
#include <unicode/unistr.h>

#include "pipeline/error.h"

namespace keepsake::pipeline {

bool has_category(char32_t c, std::uint32_t mask) {
    return (U_GET_GC_MASK(static_cast<UChar32>(c)) & mask) != 0;
}

std::u32string in_normal_form(std::u32string_view text, NormalForm form) {
    UErrorCode status = U_ZERO_ERROR;
    const icu::Normalizer2* rules = form == NormalForm::C
                                        ? icu::Normalizer2::getNFCInstance(status)
                                        : icu::Normalizer2::getNFDInstance(status);
    icu::UnicodeString source;
    for (const char32_t c : text) source.append(static_cast<UChar32>(c));
    const icu::UnicodeString normal =
        U_SUCCESS(status) ? rules->normalize(source, status) : icu::UnicodeString();
    if (U_FAILURE(status))
        throw Error(form == NormalForm::C ? "ICU's normal form C" : "ICU's normal form D",
                    u_errorName(status));
    std::u32string result;
    for (std::int32_t i = 0; i < normal.length(); i = normal.moveIndex32(i, 1))
        result += static_cast<char32_t>(normal.char32At(i));
    return result;
}

}  // namespace keepsake::pipeline
