#include <config.h>

#include "model/export_json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/sha256.h"
#include "base/text.h"
#include "model/export_json_internal.h"

#define MAGIC "ATTUNEM1"
#define MEMBERS_MOST 1024u

/* ---- sections --------------------------------------------------------------------------------------- */

/* Where a section's bytes begin in `out`, its head written; and its length put right at the end. */
static size_t
begin_section(struct codec *codec, const char *tag)
{
  buf_append(codec->out, tag, 4);
  buf_append_u64(codec->out, 0);
  return codec->out->length;
}

static void
end_section(struct codec *codec, size_t start)
{
  uint64_t length = codec->out->length - start;

  if (codec->out->failed)
    return;
  for (size_t i = 0; i < 8; i++)
    codec->out->data[start - 8 + i] = (char) (unsigned char) (length >> 8 * i);
}

/* The next section, which must have that tag. */
static void
next_section(struct codec *codec, const char *tag, struct reader *section)
{
  const unsigned char *found = reader_bytes(codec->reader, 4);
  uint64_t length = reader_u64(codec->reader);

  *section = (struct reader){.bytes = reader_bytes(codec->reader, length), .left = (size_t) length};
  if (codec->reader->failed || !found || memcmp(found, tag, 4) != 0)
  {
    section->left = 0;
    codec_fail(codec, tag);
  }
}

/* One section of numbers, described by `describe`, as the member `name`. */
static void
codec_section(struct codec *codec, const char *tag, const char *name,
              void (*describe)(struct codec *codec))
{
  struct reader section, *outer = codec->reader;
  size_t start = 0;

  if (codec->packing)
    start = begin_section(codec, tag);
  else
  {
    next_section(codec, tag, &section);
    codec->reader = &section;
  }
  json_t *before = codec_enter(codec, name);
  if (!codec->failed)
    describe(codec);
  codec_leave(codec, before);
  if (codec->packing)
    end_section(codec, start);
  else if (section.left)
    codec_fail(codec, name);
  codec->reader = outer;
}

static void
codec_head(struct codec *codec)
{
  struct reader section;

  if (codec->packing)
  {
    char *text = json_dumps(json_object_get(codec->object, "head"), JSON_COMPACT);
    if (!text)
      codec_fail(codec, "head");
    size_t start = begin_section(codec, "HEAD");
    buf_append_text(codec->out, text ? text : "");
    end_section(codec, start);
    free(text);
    return;
  }
  next_section(codec, "HEAD", &section);
  if (!codec->failed
      && json_object_set_new(codec->object, "head",
                             json_loadb((const char *) section.bytes, section.left, 0, NULL))
           != 0)
    codec_fail(codec, "head");
}

/* ---- a model ---------------------------------------------------------------------------------------- */

static uint32_t member_count(struct codec *codec);
static void codec_bag(struct codec *codec, uint32_t count);

/* A file without its digest; the number of its sections follows from what it is. */
static void
codec_model(struct codec *codec, bool may_be_bag)
{
  uint32_t members = 0, sections;

  if (codec->packing)
    buf_append(codec->out, MAGIC, 8);
  else
    reader_bytes(codec->reader, 8);
  codec_u32(codec, "file_version");
  if (codec->packing)
  {
    members = may_be_bag ? member_count(codec) : 0;
    sections = members ? members + 2 : json_object_get(codec->object, "encoder") ? 3 : 2;
    buf_append_u32(codec->out, sections);
  }
  else
    sections = reader_u32(codec->reader);
  codec_head(codec);
  const json_t *head = json_object_get(codec->object, "head");
  const char *family = json_string_value(json_object_get(head, "family"));
  void (*describe)(struct codec * codec) = family ? export_body_find(family) : NULL;
  if (codec->failed)
    return;
  if (describe)
  {
    if (sections == 3)
      codec_section(codec, "ENCO", "encoder", export_describe_encoder);
    codec_section(codec, "BODY", "body", describe);
  }
  else if (may_be_bag && sections > 2 && family && strcmp(family, "bag") == 0)
    codec_bag(codec, sections - 2);
  else
    codec_fail(codec, "head/family");
}

static uint32_t
member_count(struct codec *codec)
{
  size_t count = json_array_size(json_object_get(codec->object, "members"));

  if (count > MEMBERS_MOST)
    codec_fail(codec, "members");
  return codec->failed ? 0 : (uint32_t) count;
}

static void
append_digest(struct buf *out, size_t start)
{
  unsigned char sha[SHA256_BYTES];

  if (out->failed)
    return;
  sha256_of(out->data + start, out->length - start, sha);
  buf_append(out, sha, sizeof sha);
}

static void
codec_bag(struct codec *codec, uint32_t count)
{
  struct reader section, *outer = codec->reader;
  size_t start = 0;

  if (codec->packing)
    start = begin_section(codec, "WGHT");
  else
  {
    next_section(codec, "WGHT", &section);
    codec->reader = &section;
  }
  codec_array(codec, "weights", count, CODEC_FLOAT64);
  if (codec->packing)
    end_section(codec, start);
  for (uint32_t i = 0; !codec->failed && i < count; i++)
  {
    codec->reader = outer;
    if (codec->packing)
      start = begin_section(codec, "MEMB");
    else
    {
      next_section(codec, "MEMB", &section);
      codec->reader = &section;
    }
    json_t *before = codec_enter_item(codec, "members", i);
    if (!codec->failed)
      codec_model(codec, false);
    codec_leave(codec, before);
    if (codec->packing)
    {
      append_digest(codec->out, start);
      end_section(codec, start);
    }
  }
  codec->reader = outer;
}

/* ---- the two ways ----------------------------------------------------------------------------------- */

static void
hex_digest(const struct buf *file, size_t start, char text[2 * SHA256_BYTES + 1])
{
  unsigned char sha[SHA256_BYTES];

  sha256_of(file->data + start, file->length - start, sha);
  text_hex_encode(sha, sizeof sha, text);
}

enum err
export_json(const struct model *model, json_t **json, struct err_info *info)
{
  struct buf file = {0};
  enum err rc = model_save(model, &file, info);

  *json = NULL;
  if (rc == ERR_OK)
  {
    char digest[2 * SHA256_BYTES + 1];
    struct reader reader = {.bytes = (const unsigned char *) file.data,
                            .left = file.length - SHA256_BYTES};
    struct codec codec = {.reader = &reader, .object = json_object()};
    hex_digest(&file, 0, digest);
    codec_model(&codec, true);
    if (codec.failed || reader.failed || reader.left)
    {
      rc = err_set(info, ERR_INTERNAL, "the model can't be described: %s", codec.fault);
      json_decref(codec.object);
    }
    else
      *json = json_pack("{s:s, s:i, s:s, s:o}", "format", EXPORT_JSON_FORMAT, "format_version",
                        EXPORT_JSON_VERSION, "sha256", digest, "model", codec.object);
    if (rc == ERR_OK && !*json)
      rc = err_set(info, ERR_MEMORY, "no memory to describe the model");
  }
  buf_free(&file);
  return rc;
}

static enum err
check_format(const json_t *json, struct err_info *info)
{
  const char *format = json_string_value(json_object_get(json, "format"));
  const json_t *version = json_object_get(json, "format_version");

  if (!format || strcmp(format, EXPORT_JSON_FORMAT) != 0)
    return err_set(info, ERR_INVALID,
                   "this is no exported model: it does not say \"format\": \"%s\"",
                   EXPORT_JSON_FORMAT);
  if (!json_is_integer(version) || json_integer_value(version) != EXPORT_JSON_VERSION)
    return err_set(info, ERR_INVALID, "its format_version is not %d, the one this program reads",
                   EXPORT_JSON_VERSION);
  if (!json_is_string(json_object_get(json, "sha256"))
      || !json_is_object(json_object_get(json, "model")))
    return err_set(info, ERR_INVALID, "it lacks \"sha256\" or \"model\"");
  return ERR_OK;
}

enum err
import_json(const json_t *json, struct buf *file, struct model **model, struct err_info *info)
{
  size_t start = file->length;
  char digest[2 * SHA256_BYTES + 1];
  enum err rc = check_format(json, info);

  *model = NULL;
  if (rc != ERR_OK)
    return rc;
  struct codec codec = {.packing = true, .out = file, .object = json_object_get(json, "model")};
  codec_model(&codec, true);
  append_digest(file, start);
  if (file->failed)
    return err_set(info, ERR_MEMORY, "no memory for the model");
  if (codec.failed)
    return err_set(info, ERR_INVALID, "its \"%s\" is missing or not what it should be",
                   codec.fault);
  hex_digest(file, start, digest);
  if (strcmp(digest, json_string_value(json_object_get(json, "sha256"))) != 0)
    return err_set(info, ERR_INVALID,
                   "it is not as it was exported: its numbers do not have the digest it states");
  return model_load(file->data + start, file->length - start, model, info);
}
