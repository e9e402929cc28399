/* Writes small PNG images (8-bit grey, grey with alpha, RGB, RGBA) through zlib. Pure; any thread.
 */
#ifndef ATTUNE_DATA_PNG_H
#define ATTUNE_DATA_PNG_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

/* Appends a PNG of (height, width, channels) bytes, channels 1 to 4, to *out. ERR_INVALID for other
 * shapes or sides over 4,096. */
enum err png_write(const uint8_t *pixels, size_t height, size_t width, size_t channels,
                   struct buf *out);

#endif
