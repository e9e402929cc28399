/* A model file whose digest is right and whose content is anything: loading checks all of it. */
#include <config.h>

#include <sodium.h>

#include "base/arena.h"
#include "model/model.h"
#include "tests/fuzz/fuzz.h"

#define SHA crypto_hash_sha256_BYTES

/* A model that loads must predict: on images of its size, or on a row in which all but its texts is missing. */
static void
predict(const struct model *model)
{
  struct model_about about;
  model_about(model, &about);
  struct model_workspace *workspace = model_workspace_new();
  size_t pixels = about.height * about.width * about.channels;
  float *out = calloc(about.task->output_count + 1, sizeof *out);
  if (workspace == NULL || out == NULL)
    abort();
  if (about.input == DATASET_IMAGES && pixels < ((size_t) 1 << 20))
  {
    uint8_t *image = calloc(pixels + 1, 1);
    model_predict_images(model, workspace, image, 1, out, NULL);
    free(image);
  }
  else if (about.schema != NULL)
  {
    struct row_batch *batch = NULL;
    json_t *rows = json_pack("[{}]"), *columns = row_schema_to_json(about.schema), *column;
    size_t index;
    json_array_foreach(columns, index, column)
    {
      if (strcmp(json_string_value(json_object_get(column, "type")), "text") == 0)
        json_object_set_new(json_array_get(rows, 0),
                            json_string_value(json_object_get(column, "name")),
                            json_string("Any words, 42 of them"));
    }
    if (row_batch_from_json(about.schema, rows, false, 10, &batch, NULL) == ERR_OK)
      model_predict_table(model, workspace, row_batch_table(batch), NULL, 1, out, NULL);
    row_batch_free(batch);
    json_decref(rows);
    json_decref(columns);
  }
  json_decref(model_importance(model));
  free(out);
  model_workspace_free(workspace);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  struct model *model = NULL;
  struct err_info info = {.text = ""};
  if (size < SHA)
    return 0;
  uint8_t *bytes = malloc(size);
  if (bytes == NULL)
    abort();
  memcpy(bytes, data, size);
  crypto_hash_sha256(bytes + size - SHA, bytes, size - SHA);
  if (model_load(bytes, size, &model, &info) == ERR_OK)
  {
    predict(model);
    model_free(model);
  }
  else if (info.text[0] == '\0')
    abort();
  free(bytes);
  return 0;
}
