/* Private to export_c*.c: writing numbers, texts and the parts of a model as C.
 */
#ifndef ATTUNE_MODEL_EXPORT_C_INTERNAL_H
#define ATTUNE_MODEL_EXPORT_C_INTERNAL_H

#include "base/buf.h"
#include "model/model_internal.h"

/* The text of export_c_runtime.c.in and export_c_main.c.in, made by engine/model/embed_text.sh. */
extern const char export_c_runtime_text[], export_c_main_text[];

/* "static const TYPE NAME[] = {…};" of at least one number. */
void export_c_floats(struct buf *out, const char *name, const float *values, size_t count);
void export_c_doubles(struct buf *out, const char *name, const double *values, size_t count);
void export_c_words(struct buf *out, const char *name, const uint32_t *values, size_t count);
void export_c_texts(struct buf *out, const char *name, const char *const *texts, size_t count);

/* The text as a literal, whatever its bytes. */
void export_c_text(struct buf *out, const char *text);

/* What the sizes of all members ask for. */
struct export_c_sizes
{
  size_t features, scratch; /* floats */
  size_t map_floats, maps;  /* of convolutional networks */
};

/* The tables of member `index` and, appended to `members`, its initializer; `first` has the schema. */
enum err export_c_member(const struct model *model, const struct model *first, double weight,
                         size_t index, struct buf *out, struct buf *members,
                         struct export_c_sizes *sizes, struct err_info *info);
/* The tables of its encoder; columns are those of the schema by name. */
enum err export_c_encoder(const struct model *model, const struct model *first, size_t index,
                          struct buf *out, struct err_info *info);
/* The tables of its body, and the members of its initializer. */
void export_c_body(const struct model *model, size_t index, struct buf *out, struct buf *members,
                   struct export_c_sizes *sizes);

#endif
