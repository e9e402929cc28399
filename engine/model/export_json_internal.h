/* Private to export_json*.c: the layout of a model file's sections. */
#ifndef ATTUNE_MODEL_EXPORT_JSON_INTERNAL_H
#define ATTUNE_MODEL_EXPORT_JSON_INTERNAL_H

#include "model/export_codec.h"

/* The section of an encoder (data/encode_file.c). */
void export_describe_encoder(struct codec *codec);

/* What describes the body of a family; NULL for others. */
void (*export_body_find(const char *family))(struct codec *codec);

#endif
