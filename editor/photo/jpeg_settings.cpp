#include "editor/photo/jpeg_settings.h"

#include <csetjmp>
#include <cstdio>
#include <cstdlib>
// Needs the two above.
#include <jpeglib.h>

namespace keepsake::editor {
namespace {

// libjpeg leaves through here instead of ending the program.
struct Failure {
    jpeg_error_mgr errors;
    std::jmp_buf way_out;
};

void leave(j_common_ptr info) {
    std::longjmp(reinterpret_cast<Failure*>(info->err)->way_out, 1);
}

void say_nothing(j_common_ptr) {}
void count_nothing(j_common_ptr, int) {}

void set_errors(Failure& failure) {
    jpeg_std_error(&failure.errors);
    failure.errors.error_exit = leave;
    failure.errors.output_message = say_nothing;
    failure.errors.emit_message = count_nothing;
}

struct Table {
    int values[DCTSIZE2] = {};
};

// No object with a destructor lives in these two: longjmp passes them by.
bool read_luminance_table(std::string_view jpeg, Table& table) {
    jpeg_decompress_struct info{};
    Failure failure;
    info.err = &failure.errors;
    set_errors(failure);
    if (setjmp(failure.way_out) != 0) {
        jpeg_destroy_decompress(&info);
        return false;
    }
    jpeg_create_decompress(&info);
    jpeg_mem_src(&info, reinterpret_cast<const unsigned char*>(jpeg.data()), jpeg.size());
    bool found = jpeg_read_header(&info, TRUE) == JPEG_HEADER_OK;
    const JQUANT_TBL* first = info.quant_tbl_ptrs[0];
    found = found && first;
    for (int i = 0; found && i < DCTSIZE2; ++i) table.values[i] = first->quantval[i];
    jpeg_destroy_decompress(&info);
    return found;
}

bool standard_luminance_table(int quality, Table& table) {
    jpeg_compress_struct info{};
    Failure failure;
    info.err = &failure.errors;
    set_errors(failure);
    if (setjmp(failure.way_out) != 0) {
        jpeg_destroy_compress(&info);
        return false;
    }
    jpeg_create_compress(&info);
    info.in_color_space = JCS_RGB;
    info.input_components = 3;
    jpeg_set_defaults(&info);
    jpeg_set_quality(&info, quality, TRUE);
    for (int i = 0; i < DCTSIZE2; ++i) table.values[i] = info.quant_tbl_ptrs[0]->quantval[i];
    jpeg_destroy_compress(&info);
    return true;
}

}  // namespace

std::optional<int> jpeg_quality(std::string_view jpeg) {
    Table found;
    if (!read_luminance_table(jpeg, found)) return std::nullopt;
    std::optional<int> nearest;
    long least = 0;
    for (int quality = 1; quality <= 100; ++quality) {
        Table table;
        if (!standard_luminance_table(quality, table)) return std::nullopt;
        long distance = 0;
        for (int i = 0; i < DCTSIZE2; ++i) {
            distance += std::labs(static_cast<long>(table.values[i]) - found.values[i]);
        }
        // Of two as near, the better.
        if (!nearest || distance <= least) {
            nearest = quality;
            least = distance;
        }
    }
    return nearest;
}

}  // namespace keepsake::editor
