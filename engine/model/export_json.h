/* A model as JSON that stands for itself, and back.
 *
 * {"format": "attune-model", "format_version": 1, "sha256": of the model file, "model": {"file_version", "head",
 * "encoder", "body"}}, or of a bag {"file_version", "head", "weights", "members": [such models]}. It holds all that the
 * model file does, so that the file made of it again is the same to the byte: that is checked by the digest. The
 * layout and the meaning of each number are in api-docs/export.md. Any thread.
 */
#ifndef ATTUNE_MODEL_EXPORT_JSON_H
#define ATTUNE_MODEL_EXPORT_JSON_H

#include <jansson.h>

#include "base/buf.h"
#include "model/model.h"

#define EXPORT_JSON_FORMAT "attune-model"
#define EXPORT_JSON_VERSION 1

/* *json is a new reference. ERR_MEMORY; ERR_INTERNAL when the model can't be described. */
enum err export_json(const struct model *model, json_t **json, struct err_info *info);

/* The model and, appended to `file`, its bytes (model_save), from JSON that nobody vouches for: ERR_INVALID names what
 * is wrong with it. The caller bounds the size of the JSON. */
enum err import_json(const json_t *json, struct buf *file, struct model **model,
                     struct err_info *info);

#endif
