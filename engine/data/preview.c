#include <config.h>

#include "data/dataset.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "data/png.h"

#define THUMBNAIL_SIDE 64

static json_t *
preview_table(const struct table *table, size_t offset, size_t limit)
{
  json_t *columns = json_array(), *rows = json_array();
  for (size_t c = 0; c < table->column_count; c++)
    json_array_append_new(columns, json_string(table->columns[c].name));
  for (size_t i = 0; i < limit && offset + i < table->row_count; i++)
  {
    json_t *row = json_array();
    for (size_t c = 0; c < table->column_count; c++)
      json_array_append_new(row, table_value_json(&table->columns[c], offset + i));
    json_array_append_new(rows, row);
  }
  return json_pack("{s:o, s:o}", "columns", columns, "rows", rows);
}

/* The mean of each cell's pixels; `step` pixels a side become one. */
static void
shrink(const uint8_t *pixels, const struct image_set *images, size_t step, uint8_t *small,
       size_t height, size_t width)
{
  size_t channels = images->channels;
  for (size_t y = 0; y < height; y++)
    for (size_t x = 0; x < width; x++)
      for (size_t c = 0; c < channels; c++)
      {
        size_t sum = 0, count = 0;
        for (size_t dy = 0; dy < step && y * step + dy < images->height; dy++)
          for (size_t dx = 0; dx < step && x * step + dx < images->width; dx++)
          {
            sum += pixels[((y * step + dy) * images->width + x * step + dx) * channels + c];
            count++;
          }
        small[(y * width + x) * channels + c] = (uint8_t) ((sum + count / 2) / count);
      }
}

/* The picture as base64 of a PNG, or NULL. */
static char *
thumbnail(const struct image_set *images, size_t row)
{
  size_t side = images->height > images->width ? images->height : images->width;
  size_t step = (side + THUMBNAIL_SIDE - 1) / THUMBNAIL_SIDE;
  size_t height = (images->height + step - 1) / step, width = (images->width + step - 1) / step;
  /* More channels than a PNG has are shown by their first. */
  size_t shown = images->channels <= 4 ? images->channels : 1;
  uint8_t *small = malloc(height * width * images->channels);
  struct buf png = {0};
  char *text = NULL;
  if (small != NULL)
  {
    shrink(images->pixels + row * images->height * images->width * images->channels, images, step,
           small, height, width);
    if (shown != images->channels)
      for (size_t i = 0; i < height * width; i++)
        small[i] = small[i * images->channels];
    if (png_write(small, height, width, shown, &png) == ERR_OK)
    {
      size_t size = sodium_base64_encoded_len(png.length, sodium_base64_VARIANT_ORIGINAL);
      text = malloc(size);
      if (text != NULL)
        sodium_bin2base64(text, size, (const unsigned char *) png.data, png.length,
                          sodium_base64_VARIANT_ORIGINAL);
    }
  }
  buf_free(&png);
  free(small);
  return text;
}

static json_t *
preview_images(const struct image_set *images, size_t offset, size_t limit)
{
  json_t *list = json_array();
  for (size_t i = 0; i < limit && offset + i < images->count; i++)
  {
    size_t row = offset + i;
    char *png = thumbnail(images, row);
    if (png == NULL)
    {
      json_decref(list);
      return NULL;
    }
    json_array_append_new(list,
                          json_pack("{s:I, s:s, s:s}", "row", (json_int_t) row, "label",
                                    images->class_names[images->labels[row]], "png_base64", png));
    free(png);
  }
  return json_pack("{s:o}", "images", list);
}

enum err
dataset_preview(const struct dataset *dataset, size_t offset, size_t limit, json_t **preview,
                struct err_info *info)
{
  size_t rows = dataset_row_count(dataset);
  if (offset > rows)
    offset = rows;
  const struct image_set *images = dataset_images(dataset);
  *preview = images != NULL ? preview_images(images, offset, limit)
                            : preview_table(dataset_table(dataset), offset, limit);
  return *preview != NULL ? ERR_OK : err_set(info, ERR_MEMORY, "out of memory");
}
