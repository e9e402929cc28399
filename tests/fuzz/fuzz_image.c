/* A PNG or JPEG of a predict call: measured, decoded, brought to size. */
#include <config.h>

#include "data/image.h"
#include "tests/fuzz/fuzz.h"

#define MAX_PIXELS ((size_t) 1 << 18)

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  struct image image = {0};
  struct err_info info = {.text = ""};
  uint8_t out[16 * 12 * 3];
  size_t height = 0, width = 0;
  bool probed = image_probe(data, size, &height, &width, NULL) == ERR_OK;
  if (image_decode(data, size, MAX_PIXELS, &image, &info) != ERR_OK)
  {
    if (info.text[0] == '\0')
      abort();
    return 0;
  }
  if (!probed || image.height != height || image.width != width
      || image.height * image.width > MAX_PIXELS)
    abort();
  for (size_t channels = 1; channels <= 3; channels += 2)
    if (image_fit(&image, 16, 12, channels, out, NULL) != ERR_OK
        || image_load(data, size, MAX_PIXELS, 16, 12, channels, out, NULL) != ERR_OK)
      abort();
  image_free(&image);
  return 0;
}
