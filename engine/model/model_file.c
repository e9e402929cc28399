#include <config.h>

#include "model/model_internal.h"

#include <math.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "data/image_reduce.h"

/* The layout, all numbers little-endian:
 *   "ATTUNEM1" | u32 version | u32 sections | per section: tag[4], u64 length, bytes | SHA-256 of all before
 * Sections of a single model: HEAD (JSON), ENCO (tables), BODY. Of a bag: HEAD, WGHT, then one MEMB per
 * member, each a whole file. */

#define MAGIC "ATTUNEM1"
/* Version 2 may state in HEAD "rebalance", "decision", "target"."log" and "pixels"."seen_height". A file without any of them is
 * still written as version 1, which older programs read. "fold" may be in any version: a program that
 * does not know it passes over it. */
#define FILE_VERSION 2u
#define SHA_BYTES crypto_hash_sha256_BYTES
#define MEMBERS_MAX 1024u
#define HEAD_LENGTH_MAX ((size_t) 64 << 20)

/* ---- saving --------------------------------------------------------------------------------------- */

static uint32_t
least_version(const struct model *model)
{
  return model->rebalance || model->decision.has_threshold || model->decision.factors
             || model->target.log || model->pixels.seen_height
           ? 2
           : 1;
}

static json_t *
factors_json(const double *factors, size_t count)
{
  json_t *list = json_array();

  for (size_t k = 0; k < count; k++)
    json_array_append_new(list, json_real(factors[k]));
  return list;
}

static void
add_decision(const struct model *model, json_t *head)
{
  size_t classes = model->task.class_count;
  json_t *decision = json_object();

  if (model->rebalance)
    json_object_set_new(head, "rebalance", factors_json(model->rebalance, classes));
  if (model->decision.has_threshold)
    json_object_set_new(decision, "threshold", json_real(model->decision.threshold));
  if (model->decision.factors)
    json_object_set_new(decision, "factors", factors_json(model->decision.factors, classes));
  if (json_object_size(decision) > 0)
    json_object_set(head, "decision", decision);
  json_decref(decision);
}

static json_t *
head_json(const struct model *model)
{
  const struct task *task = &model->task;
  json_t *classes = json_array();

  for (size_t i = 0; i < task->class_count; i++)
    json_array_append_new(classes, json_string(task->class_names[i]));
  json_t *head = json_pack(
    "{s:s, s:O, s:{s:s, s:s?, s:o}, s:s}", "family", model->kind ? model->kind->family : "bag",
    "params", model->params, "task", "kind", task_kind_name(task->kind), "target", task->target,
    "classes", classes, "input", model->input == DATASET_IMAGES ? "images" : "table");
  if (model->input == DATASET_IMAGES)
    json_object_set_new(
      head, "pixels",
      json_pack("{s:I, s:I, s:I, s:f, s:f}", "height", (json_int_t) model->pixels.height, "width",
                (json_int_t) model->pixels.width, "channels", (json_int_t) model->pixels.channels,
                "mean", (double) model->pixels.mean, "scale", (double) model->pixels.scale));
  if (model->pixels.seen_height)
    json_object_update_new(json_object_get(head, "pixels"),
                           json_pack("{s:I, s:I}", "seen_height",
                                     (json_int_t) model->pixels.seen_height, "seen_width",
                                     (json_int_t) model->pixels.seen_width));
  if (model->schema)
    json_object_set_new(head, "schema", row_schema_to_json(model->schema));
  json_t *target = json_pack("{s:f, s:f}", "mean", model->target.mean, "sd", model->target.sd);
  if (model->target.clamp)
  {
    json_object_set_new(target, "low", json_real(model->target.low));
    json_object_set_new(target, "high", json_real(model->target.high));
  }
  if (model->target.log)
    json_object_set_new(target, "log", json_true());
  json_object_set_new(head, "target", target);
  if (model->fold >= 0)
    json_object_set_new(head, "fold", json_integer(model->fold));
  add_decision(model, head);
  return head;
}

static void
append_section(struct buf *out, const char *tag, const struct buf *bytes)
{
  buf_append(out, tag, 4);
  buf_append_u64(out, bytes->length);
  if (bytes->length)
    buf_append(out, bytes->data, bytes->length);
  out->failed = out->failed || bytes->failed;
}

static enum err
append_head(const struct model *model, struct buf *out)
{
  json_t *head = head_json(model);
  char *text = head ? json_dumps(head, JSON_COMPACT) : NULL;
  struct buf bytes = {0};

  if (text)
  {
    buf_append_text(&bytes, text);
    append_section(out, "HEAD", &bytes);
  }
  buf_free(&bytes);
  json_decref(head);
  enum err rc = text ? ERR_OK : ERR_MEMORY;
  free(text);
  return rc;
}

static enum err
append_single(const struct model *model, struct buf *out)
{
  struct buf bytes = {0};
  enum err rc = ERR_OK;

  if (model->encoder)
  {
    rc = encoder_save(model->encoder, &bytes);
    append_section(out, "ENCO", &bytes);
    buf_free(&bytes);
    bytes = (struct buf){0};
  }
  model->kind->save(model->body, &bytes);
  append_section(out, "BODY", &bytes);
  buf_free(&bytes);
  return rc;
}

static enum err
append_members(const struct model *model, struct buf *out, struct err_info *info)
{
  struct buf bytes = {0};
  enum err rc = ERR_OK;

  for (size_t i = 0; i < model->member_count; i++)
  {
    uint64_t word;
    memcpy(&word, &model->weights[i], sizeof word);
    buf_append_u64(&bytes, word);
  }
  append_section(out, "WGHT", &bytes);
  buf_free(&bytes);
  for (size_t i = 0; rc == ERR_OK && i < model->member_count; i++)
  {
    struct buf member = {0};
    rc = model_save(model->members[i], &member, info);
    append_section(out, "MEMB", &member);
    buf_free(&member);
  }
  return rc;
}

enum err
model_save(const struct model *model, struct buf *out, struct err_info *info)
{
  size_t start = out->length, sections;
  unsigned char sha[SHA_BYTES];
  enum err rc;

  if (model->kind)
    sections = model->encoder ? 3 : 2;
  else
    sections = 2 + model->member_count;
  buf_append(out, MAGIC, 8);
  buf_append_u32(out, least_version(model));
  buf_append_u32(out, (uint32_t) sections);
  rc = append_head(model, out);
  if (rc == ERR_OK)
    rc = model->kind ? append_single(model, out) : append_members(model, out, info);
  if (rc == ERR_OK && !out->failed)
  {
    crypto_hash_sha256(sha, (const unsigned char *) out->data + start, out->length - start);
    buf_append(out, sha, sizeof sha);
  }
  if (rc == ERR_OK && out->failed)
    rc = ERR_MEMORY;
  return rc == ERR_MEMORY ? err_set(info, ERR_MEMORY, "no memory to save the model") : rc;
}

/* ---- loading -------------------------------------------------------------------------------------- */

static enum err
damaged(struct err_info *info, const char *what)
{
  return err_set(info, ERR_INVALID, "the model file is damaged: %s", what);
}

static bool
next_section(struct reader *reader, const char *tag, struct reader *section)
{
  const unsigned char *found = reader_bytes(reader, 4);
  uint64_t length = reader_u64(reader);

  section->bytes = reader_bytes(reader, length);
  section->left = (size_t) length;
  section->failed = reader->failed;
  return found && !reader->failed && memcmp(found, tag, 4) == 0;
}

static bool
whole_member(const json_t *object, const char *name, size_t low, size_t high, size_t *value)
{
  const json_t *member = json_object_get(object, name);

  if (!json_is_integer(member) || json_integer_value(member) < (json_int_t) low
      || json_integer_value(member) > (json_int_t) high)
    return false;
  *value = (size_t) json_integer_value(member);
  return true;
}

static bool
number_member(const json_t *object, const char *name, double *value)
{
  const json_t *member = json_object_get(object, name);

  if (!json_is_number(member) || !isfinite(json_number_value(member)))
    return false;
  *value = json_number_value(member);
  return true;
}

/* The task, its strings borrowed from head; *names is to be freed by the caller. */
static bool
read_task(const json_t *head, struct task *task, const char ***names)
{
  const json_t *object = json_object_get(head, "task");
  const json_t *classes = json_object_get(object, "classes");
  const char *kind = json_string_value(json_object_get(object, "kind"));
  size_t count = json_array_size(classes);

  *task = (struct task){.target = json_string_value(json_object_get(object, "target")),
                        .target_column = SIZE_MAX,
                        .class_count = count,
                        .output_count = count ? count : 1};
  *names = calloc(count + 1, sizeof **names);
  if (!kind || !*names)
    return false;
  for (size_t i = 0; i < count; i++)
    if (!((*names)[i] = json_string_value(json_array_get(classes, i))))
      return false;
  task->class_names = *names;
  for (int i = TASK_BINARY; i <= TASK_REGRESSION; i++)
    if (strcmp(kind, task_kind_name((enum task_kind) i)) == 0)
    {
      task->kind = (enum task_kind) i;
      return i == TASK_BINARY ? count == 2 : i == TASK_MULTICLASS ? count >= 2 : count == 0;
    }
  return false;
}

/* The size the body sees, when it is not the whole: what image_reduce can make. */
static bool
read_seen_size(const json_t *object, struct model_pixels *pixels)
{
  if (!json_object_get(object, "seen_height"))
    return true;
  return whole_member(object, "seen_height", 1, pixels->height, &pixels->seen_height)
         && whole_member(object, "seen_width", 1, pixels->width, &pixels->seen_width)
         && pixels->seen_height <= IMAGE_INPUTS_MAX / pixels->channels / pixels->seen_width;
}

static bool
read_numbers(const json_t *head, struct model *model)
{
  const json_t *target = json_object_get(head, "target");
  const json_t *pixels = json_object_get(head, "pixels");
  const char *input = json_string_value(json_object_get(head, "input"));
  double mean = 0.0, scale = 1.0;

  if (!input || (strcmp(input, "images") != 0 && strcmp(input, "table") != 0))
    return false;
  model->input = strcmp(input, "images") == 0 ? DATASET_IMAGES : DATASET_TABLE;
  if (!number_member(target, "mean", &model->target.mean)
      || !number_member(target, "sd", &model->target.sd))
    return false;
  model->target.log = json_is_true(json_object_get(target, "log"));
  model->target.clamp = json_object_get(target, "low") != NULL;
  if (model->target.clamp
      && (!number_member(target, "low", &model->target.low)
          || !number_member(target, "high", &model->target.high)))
    return false;
  if (model->input == DATASET_TABLE)
    return true;
  if (!whole_member(pixels, "height", 1, 65536, &model->pixels.height)
      || !whole_member(pixels, "width", 1, 65536, &model->pixels.width)
      || !whole_member(pixels, "channels", 1, 4, &model->pixels.channels)
      || !number_member(pixels, "mean", &mean) || !number_member(pixels, "scale", &scale))
    return false;
  model->pixels.mean = (float) mean;
  model->pixels.scale = (float) scale;
  return read_seen_size(pixels, &model->pixels);
}

/* A list of as many numbers above 0 as there are classes, or nothing. */
static bool
read_factors(const json_t *list, struct model *model, const double **factors)
{
  size_t classes = model->task.class_count;
  double *found = calloc(classes + 1, sizeof *found);
  bool good = found && json_array_size(list) == classes && classes > 0;

  for (size_t k = 0; good && k < classes; k++)
    good = json_is_number(json_array_get(list, k));
  for (size_t k = 0; good && k < classes; k++)
    found[k] = json_number_value(json_array_get(list, k));
  good = good && model_copy_factors(model, found, factors, NULL) == ERR_OK;
  free(found);
  return good;
}

static bool
read_decision(const json_t *head, struct model *model)
{
  const json_t *rebalance = json_object_get(head, "rebalance");
  const json_t *decision = json_object_get(head, "decision");
  struct decision found = {0};

  if (rebalance && !read_factors(rebalance, model, &model->rebalance))
    return false;
  if (!decision)
    return true;
  if (json_object_get(decision, "factors")
      && !read_factors(json_object_get(decision, "factors"), model, &found.factors))
    return false;
  if (json_object_get(decision, "threshold"))
  {
    found.has_threshold = true;
    if (!number_member(decision, "threshold", &found.threshold))
      return false;
  }
  return model_set_decision(model, &found, NULL) == ERR_OK;
}

/* A model with all that HEAD says; *family is borrowed from model->params' sibling, so copied here. */
static enum err
read_head(struct reader *section, struct model **model, char family[16], struct err_info *info)
{
  json_t *head =
    section->left <= HEAD_LENGTH_MAX
      ? json_loadb((const char *) section->bytes, section->left, JSON_REJECT_DUPLICATES, NULL)
      : NULL;
  const char *name = json_string_value(json_object_get(head, "family"));
  const char **names = NULL;
  struct task task;
  enum err rc = ERR_OK;

  *model = NULL;
  if (!name || strlen(name) >= 16 || !json_is_object(json_object_get(head, "params"))
      || !read_task(head, &task, &names))
    rc = damaged(info, "its head cannot be read");
  if (rc == ERR_OK)
    rc = model_new_empty(&task, model, info);
  if (rc == ERR_OK && !(read_numbers(head, *model) && read_decision(head, *model)))
    rc = damaged(info, "its head cannot be read");
  if (rc == ERR_OK)
  {
    strcpy(family, name);
    const json_t *fold = json_object_get(head, "fold");
    if (json_is_integer(fold) && json_integer_value(fold) >= 0
        && json_integer_value(fold) <= MODEL_FOLD_MAX)
      model_set_fold(*model, (int) json_integer_value(fold));
    (*model)->params = json_incref(json_object_get(head, "params"));
    if (json_object_get(head, "schema"))
      rc = row_schema_from_json(json_object_get(head, "schema"), &(*model)->schema, info);
  }
  free(names);
  json_decref(head);
  return rc;
}

static enum err
read_encoder(struct reader *reader, struct model *model, struct err_info *info)
{
  struct reader section;
  size_t used = 0;

  if (!next_section(reader, "ENCO", &section))
    return damaged(info, "its encoder is missing");
  if (!model->schema)
    return damaged(info, "its schema is missing");
  enum err rc =
    encoder_load((const char *) section.bytes, section.left, &used, &model->encoder, info);
  if (rc == ERR_OK && used != section.left)
    rc = damaged(info, "its encoder has the wrong length");
  return rc;
}

static enum err
read_single(struct reader *reader, uint32_t sections, const struct model_kind *kind,
            struct model *model, struct err_info *info)
{
  struct reader section;
  size_t width = model_pixels_inputs(&model->pixels);
  enum err rc;

  if (sections != (model->input == DATASET_TABLE ? 3u : 2u))
    return damaged(info, "it has the wrong number of sections");
  if (model->input == DATASET_TABLE)
  {
    rc = read_encoder(reader, model, info);
    if (rc != ERR_OK)
      return rc;
    width = encoder_width(model->encoder);
  }
  if (!next_section(reader, "BODY", &section))
    return damaged(info, "its weights are missing");
  rc = kind->load(&section, &model->body, info);
  if (rc != ERR_OK)
    return rc;
  model->kind = kind;
  if (section.left || kind->inputs(model->body) != width
      || kind->outputs(model->body) != model->task.output_count)
    return damaged(info, "its weights do not fit its inputs");
  return ERR_OK;
}

static enum err load_depth(const void *bytes, size_t length, bool may_be_bag, struct model **model,
                           struct err_info *info);

static enum err
load_members(struct reader *reader, struct model **members, size_t count, struct err_info *info)
{
  enum err rc = ERR_OK;

  for (size_t i = 0; rc == ERR_OK && i < count; i++)
  {
    struct reader section;
    if (!next_section(reader, "MEMB", &section))
      rc = damaged(info, "a member of the bag is missing");
    else
      rc = load_depth(section.bytes, section.left, false, &members[i], info);
  }
  return rc;
}

/* Turns the empty `*model` into the bag the file holds. */
static enum err
read_bag(struct reader *reader, uint32_t sections, struct model **model, struct err_info *info)
{
  size_t count = sections - 2;
  struct model **members = calloc(count, sizeof(struct model *)), *bag = NULL;
  double *weights = calloc(count, sizeof *weights);
  struct reader section;
  enum err rc = ERR_OK;

  if (!members || !weights)
    rc = err_set(info, ERR_MEMORY, "no memory for a bag of %zu models", count);
  else if (!next_section(reader, "WGHT", &section) || section.left != 8 * count)
    rc = damaged(info, "the weights of the bag are missing");
  for (size_t i = 0; rc == ERR_OK && i < count; i++)
  {
    uint64_t word = reader_u64(&section);
    memcpy(&weights[i], &word, sizeof word);
  }
  if (rc == ERR_OK)
    rc = load_members(reader, members, count, info);
  if (rc == ERR_OK)
  {
    rc = model_bag_take(members, weights, count, &bag, info); /* frees the members if it fails */
    memset(members, 0, count * sizeof(struct model *));
  }
  for (size_t i = 0; members && i < count; i++)
    model_free(members[i]);
  free(members);
  free(weights);
  if (rc == ERR_OK)
    rc = model_set_decision(bag, &(*model)->decision, info);
  model_free(*model);
  *model = bag;
  return rc;
}

static enum err
read_sections(struct reader *reader, bool may_be_bag, struct model **model, struct err_info *info)
{
  uint32_t version = reader_u32(reader), sections = reader_u32(reader);
  struct reader section;
  char family[16];
  enum err rc;

  if (version == 0 || version > FILE_VERSION)
    return err_set(info, ERR_INVALID, "the model file is of version %u, this program reads %u",
                   version, FILE_VERSION);
  if (sections < 2 || sections > MEMBERS_MAX + 2 || !next_section(reader, "HEAD", &section))
    return damaged(info, "its head is missing");
  rc = read_head(&section, model, family, info);
  if (rc != ERR_OK)
    return rc;
  const struct model_kind *kind = model_kind_find(family);
  if (kind)
    return read_single(reader, sections, kind, *model, info);
  if (strcmp(family, "bag") != 0)
    return err_set(info, ERR_INVALID, "this program does not know the model family \"%s\"", family);
  if (!may_be_bag || sections < 4)
    return damaged(info, "a bag where none can be");
  return read_bag(reader, sections, model, info);
}

static enum err
load_depth(const void *bytes, size_t length, bool may_be_bag, struct model **model,
           struct err_info *info)
{
  struct reader reader = {.bytes = bytes, .left = length};
  unsigned char sha[SHA_BYTES];
  enum err rc;

  *model = NULL;
  if (length < 8 + 8 + SHA_BYTES || memcmp(bytes, MAGIC, 8) != 0)
    return err_set(info, ERR_INVALID, "this is not a model file");
  crypto_hash_sha256(sha, bytes, length - SHA_BYTES);
  if (memcmp(sha, (const unsigned char *) bytes + length - SHA_BYTES, SHA_BYTES) != 0)
    return damaged(info, "its checksum is wrong");
  reader.left -= SHA_BYTES;
  reader_bytes(&reader, 8);
  rc = read_sections(&reader, may_be_bag, model, info);
  if (rc == ERR_OK && reader.left)
    rc = damaged(info, "it has bytes after its last section");
  if (rc != ERR_OK)
  {
    model_free(*model);
    *model = NULL;
    return rc;
  }
  (*model)->file_bytes = length;
  return ERR_OK;
}

enum err
model_load(const void *bytes, size_t length, struct model **model, struct err_info *info)
{
  return load_depth(bytes, length, true, model, info);
}
