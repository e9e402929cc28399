/* An exported model that says anything, its digest put right: importing checks all of it, and what it takes
 * predicts. */
#include <config.h>

#include <sodium.h>
#include <string.h>

#include "base/json.h"
#include "base/text.h"
#include "model/export_json.h"
#include "tests/fuzz/fuzz.h"

#define SHA crypto_hash_sha256_BYTES

/* A model that was taken can be exported again. */
static void
use(const struct model *model)
{
  json_t *json = NULL;
  if (export_json(model, &json, NULL) == ERR_OK && json == NULL)
    abort();
  json_decref(json);
}

static enum err
import(const json_t *json, struct buf *file)
{
  struct model *model = NULL;
  struct err_info info = {.text = ""};
  enum err rc = import_json(json, file, &model, &info);
  if (rc == ERR_OK)
    use(model);
  else if (info.text[0] == '\0' || model != NULL)
    abort();
  model_free(model);
  return rc;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  json_t *json = NULL;
  struct buf file = {0}, again = {0};
  if (json_parse((const char *) data, size, 32, &json, NULL) != ERR_OK)
    return 0;
  if (import(json, &file) != ERR_OK && json_is_object(json) && file.length > SHA)
  {
    unsigned char digest[SHA];
    char text[2 * SHA + 1];
    crypto_hash_sha256(digest, (const unsigned char *) file.data, file.length);
    text_hex_encode(digest, sizeof digest, text);
    json_object_set_new(json, "sha256", json_string(text));
    import(json, &again);
  }
  buf_free(&again);
  buf_free(&file);
  json_decref(json);
  return 0;
}
