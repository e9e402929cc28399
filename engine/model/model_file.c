#include <config.h>

#include "model/model_internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/sha256.h"
#include "model/model_linear.h"

/* The layout, all numbers little-endian:
 *   "ATTUNEM1" | u32 version | u32 sections | per section: tag[4], u64 length, bytes | SHA-256 of all before
 * Sections of a single model: HEAD (JSON), ENCO (tables), BODY. Of a bag: HEAD, WGHT, then one MEMB per
 * member, each a whole file. */

#define MAGIC "ATTUNEM1"
/* Version 2 may state in HEAD "rebalance", "decision", "target"."log" and "pixels"."seen_height"; version 3 also
 * "temperature", without which a program would answer other probabilities, and has bodies that earlier programs do
 * not know. A file without any of them is still written as version 1 or 2, which older programs read. "fold",
 * "interval", "input_means" and "novelty" may be in any version: a program that does not know them passes over them. */
#define FILE_VERSION 3u
#define MEMBERS_MAX 1024u

/* ---- saving --------------------------------------------------------------------------------------- */

static uint32_t
least_version(const struct model *model)
{
  uint32_t body =
    model->kind && model->kind->file_version ? model->kind->file_version(model->body) : 1;
  uint32_t head = model->rebalance || model->decision.has_threshold || model->decision.factors
                      || model->target.log || model->pixels.seen_height
                    ? 2
                    : 1;
  if (model->temperature != 1.0)
    head = 3;
  return head > body ? head : body;
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
  json_t *head = model_head_json(model);
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
  unsigned char sha[SHA256_BYTES];
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
    sha256_of(out->data + start, out->length - start, sha);
    buf_append(out, sha, sizeof sha);
  }
  if (rc == ERR_OK && out->failed)
    rc = ERR_MEMORY;
  return rc == ERR_MEMORY ? err_set(info, ERR_MEMORY, "no memory to save the model") : rc;
}

/* ---- loading -------------------------------------------------------------------------------------- */

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

static enum err
read_encoder(struct reader *reader, struct model *model, struct err_info *info)
{
  struct reader section;
  size_t used = 0;

  if (!next_section(reader, "ENCO", &section))
    return model_damaged(info, "its encoder is missing");
  if (!model->schema)
    return model_damaged(info, "its schema is missing");
  enum err rc =
    encoder_load((const char *) section.bytes, section.left, &used, &model->encoder, info);
  if (rc == ERR_OK && used != section.left)
    rc = model_damaged(info, "its encoder has the wrong length");
  return rc == ERR_OK ? model_bind(model, model->schema, info) : rc;
}

/* The means of a linear model's inputs, from its head to where it looks for them. */
static enum err
take_means(struct model *model, struct err_info *info)
{
  struct linear *linear = model->body;

  if (model->kind != &model_linear_kind || !model->input_means)
    return ERR_OK;
  if (model->input_mean_count != linear->inputs)
    return model_damaged(info, "the means of its inputs do not fit them");
  linear->mean = calloc(linear->inputs, sizeof *linear->mean);
  if (!linear->mean)
    return err_set(info, ERR_MEMORY, "no memory for %zu means", linear->inputs);
  memcpy(linear->mean, model->input_means, linear->inputs * sizeof *linear->mean);
  return ERR_OK;
}

static enum err
read_single(struct reader *reader, uint32_t sections, const struct model_kind *kind,
            struct model *model, struct err_info *info)
{
  struct reader section;
  size_t width = model_pixels_inputs(&model->pixels);
  enum err rc;

  if (sections != (model->input == DATASET_TABLE ? 3u : 2u))
    return model_damaged(info, "it has the wrong number of sections");
  if (model->input == DATASET_TABLE)
  {
    rc = read_encoder(reader, model, info);
    if (rc != ERR_OK)
      return rc;
    width = encoder_width(model->encoder);
  }
  if (!next_section(reader, "BODY", &section))
    return model_damaged(info, "its weights are missing");
  rc = kind->load(&section, &model->body, info);
  if (rc != ERR_OK)
    return rc;
  model->kind = kind;
  if (section.left || kind->inputs(model->body) != width
      || kind->outputs(model->body) != model->task.output_count)
    return model_damaged(info, "its weights do not fit its inputs");
  return take_means(model, info);
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
      rc = model_damaged(info, "a member of the bag is missing");
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
    rc = model_damaged(info, "the weights of the bag are missing");
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
  if (rc == ERR_OK)
    bag->temperature = (*model)->temperature;
  if (rc == ERR_OK && (*model)->interval)
    rc = model_set_interval(bag, (*model)->interval, info);
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
    return model_damaged(info, "its head is missing");
  rc = model_head_read(&section, model, family, info);
  if (rc != ERR_OK)
    return rc;
  const struct model_kind *kind = model_kind_find(family);
  if (kind)
    return read_single(reader, sections, kind, *model, info);
  if (strcmp(family, "bag") != 0)
    return err_set(info, ERR_INVALID, "this program does not know the model family \"%s\"", family);
  if (!may_be_bag || sections < 4)
    return model_damaged(info, "a bag where none can be");
  return read_bag(reader, sections, model, info);
}

static enum err
load_depth(const void *bytes, size_t length, bool may_be_bag, struct model **model,
           struct err_info *info)
{
  struct reader reader = {.bytes = bytes, .left = length};
  unsigned char sha[SHA256_BYTES];
  enum err rc;

  *model = NULL;
  if (length < 8 + 8 + SHA256_BYTES || memcmp(bytes, MAGIC, 8) != 0)
    return err_set(info, ERR_INVALID, "this is not a model file");
  sha256_of(bytes, length - SHA256_BYTES, sha);
  if (memcmp(sha, (const unsigned char *) bytes + length - SHA256_BYTES, SHA256_BYTES) != 0)
    return model_damaged(info, "its checksum is wrong");
  reader.left -= SHA256_BYTES;
  reader_bytes(&reader, 8);
  rc = read_sections(&reader, may_be_bag, model, info);
  if (rc == ERR_OK && reader.left)
    rc = model_damaged(info, "it has bytes after its last section");
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
