#include <config.h>

#include "model/export_json_internal.h"

#include <stdlib.h>
#include <string.h>

#include "data/encode_internal.h"
#include "model/net.h"

/* Sums and products of lengths are taken of numbers of 32 bits, so they fit 64. */

/* ---- the encoder ------------------------------------------------------------------------------------ */

#define ENCODER_MAGIC 0x434e4541u
#define COLUMNS_MOST 10000u

static void
describe_words(struct codec *codec)
{
  json_t *before = codec_enter(codec, "words");
  uint32_t bits = codec_u32(codec, "bits"), scores = codec_u32(codec, "scores");

  if (bits > NGRAM_MAX_BITS)
    codec_fail(codec, "bits");
  if (scores > ENCODE_MAX_SCORES)
    codec_fail(codec, "scores");
  if (codec->failed)
    return;
  codec_double(codec, "idf_step");
  codec_array(codec, "weight_unit", scores, CODEC_FLOAT64);
  codec_array(codec, "bias", scores, CODEC_FLOAT64);
  codec_array(codec, "centre", ENCODE_LOOKS + scores, CODEC_FLOAT64);
  codec_array(codec, "scale", ENCODE_LOOKS + scores, CODEC_FLOAT64);
  codec_array(codec, "idf", (uint64_t) 1 << bits, CODEC_UINT8);
  codec_array(codec, "weights", ((uint64_t) 1 << bits) * scores, CODEC_INT16);
  codec_leave(codec, before);
}

static void
describe_column(struct codec *codec)
{
  static const char *const types[] = {"numeric", "categorical", "boolean", "datetime",
                                      "text",    "identifier",  NULL};
  static const char *const kinds[] = {"none",   "number", "binary", "one_hot",
                                      "target", "time",   "words",  NULL};

  codec_text(codec, "name");
  codec_choice(codec, "type", types);
  uint32_t kind = codec_choice(codec, "kind", kinds);
  codec_u32(codec, "flags");
  codec_double(codec, "centre");
  codec_double(codec, "scale");
  uint64_t categories = codec_texts(codec, "categories");
  uint64_t stats = codec_u32(codec, "stat_count");
  codec_array(codec, "prior", stats, CODEC_FLOAT64);
  codec_array(codec, "stat_centre", stats, CODEC_FLOAT64);
  codec_array(codec, "stat_scale", stats, CODEC_FLOAT64);
  codec_array(codec, "stats", stats * categories, CODEC_FLOAT64);
  if (kind == ENCODE_WORDS && !codec->failed)
    describe_words(codec);
}

void
export_describe_encoder(struct codec *codec)
{
  static const char *const views[] = {"dense", "tree", NULL};

  codec_constant(codec, ENCODER_MAGIC);
  codec_u32(codec, "version");
  codec_choice(codec, "view", views);
  uint32_t count = codec_u32(codec, "column_count");
  if (count > COLUMNS_MOST)
    codec_fail(codec, "column_count");
  for (uint32_t i = 0; !codec->failed && i < count; i++)
  {
    json_t *before = codec_enter_item(codec, "columns", i);
    if (!codec->failed)
      describe_column(codec);
    codec_leave(codec, before);
  }
  codec_texts(codec, "dropped");
}

/* ---- the nodes of trees ----------------------------------------------------------------------------- */

#define NODE_PARTS 3

static const struct
{
  const char *name;
  enum codec_kind kind;
} node_parts[NODE_PARTS] = {
  {"node_value", CODEC_FLOAT32}, {"node_left", CODEC_UINT32}, {"node_feature", CODEC_UINT32}};

/* In the file a node's numbers lie together; shown, each kind has an array of its own. */
static void
unpack_nodes(struct codec *codec, uint64_t count)
{
  struct reader *outer = codec->reader;
  const unsigned char *nodes = count <= outer->left / 12 ? reader_bytes(outer, count * 12) : NULL;
  unsigned char *part = nodes ? malloc((size_t) count * 4 + 1) : NULL;

  if (!part)
    codec_fail(codec, "node_count");
  for (size_t p = 0; part && p < NODE_PARTS; p++)
  {
    for (size_t i = 0; i < count; i++)
      memcpy(part + 4 * i, nodes + 12 * i + 4 * p, 4);
    struct reader reader = {.bytes = part, .left = (size_t) count * 4};
    codec->reader = &reader;
    codec_array(codec, node_parts[p].name, count, node_parts[p].kind);
  }
  codec->reader = outer;
  free(part);
}

static void
pack_nodes(struct codec *codec, uint64_t count)
{
  struct buf parts[NODE_PARTS] = {{0}}, *outer = codec->out;

  for (size_t p = 0; p < NODE_PARTS; p++)
  {
    codec->out = &parts[p];
    codec_array(codec, node_parts[p].name, count, node_parts[p].kind);
    outer->failed = outer->failed || parts[p].failed;
  }
  codec->out = outer;
  for (size_t i = 0; !codec->failed && !outer->failed && i < count; i++)
    for (size_t p = 0; p < NODE_PARTS; p++)
      buf_append(outer, parts[p].data + 4 * i, 4);
  for (size_t p = 0; p < NODE_PARTS; p++)
    buf_free(&parts[p]);
}

static void
describe_nodes(struct codec *codec, uint64_t count)
{
  if (codec->failed)
    return;
  if (codec->packing)
    pack_nodes(codec, count);
  else
    unpack_nodes(codec, count);
}

/* ---- bodies ----------------------------------------------------------------------------------------- */

static void
describe_linear(struct codec *codec)
{
  static const char *const links[] = {"value", "sigmoid", "softmax", NULL};

  codec_choice(codec, "link", links);
  uint64_t inputs = codec_u32(codec, "inputs"), outputs = codec_u32(codec, "outputs");
  codec_array(codec, "weights", inputs * outputs, CODEC_FLOAT32);
  codec_array(codec, "bias", outputs, CODEC_FLOAT32);
  codec_array(codec, "spread", inputs, CODEC_FLOAT32);
}

static void
describe_trees(struct codec *codec)
{
  static const char *const objectives[] = {"value", "sigmoid", "softmax", NULL};

  codec_choice(codec, "objective", objectives);
  uint64_t inputs = codec_u32(codec, "inputs");
  codec_u32(codec, "groups");
  codec_float(codec, "base");
  uint64_t trees = codec_u64(codec, "tree_count"), nodes = codec_u64(codec, "node_count");
  uint64_t ubj = codec_u64(codec, "xgboost_bytes");
  codec_array(codec, "starts", trees, CODEC_UINT32);
  codec_array(codec, "group", trees, CODEC_UINT32);
  codec_array(codec, "gain", inputs, CODEC_FLOAT32);
  describe_nodes(codec, nodes);
  codec_array(codec, "xgboost", ubj, CODEC_UINT8);
}

static void
describe_mlp(struct codec *codec)
{
  bool extended;

  if (codec->packing)
    extended = json_object_get(codec->object, "embedded") != NULL;
  else
  {
    struct reader peek = *codec->reader;
    extended = reader_u32(&peek) == 0;
  }
  if (extended)
  {
    codec_constant(codec, 0);
    codec_u32(codec, "version");
  }
  uint32_t inputs = codec_u32(codec, "inputs");
  codec_u32(codec, "outputs");
  codec_u32(codec, "layers");
  codec_u32(codec, "units");
  codec_choice(codec, "activation", net_activation_names);
  uint32_t embedded = extended ? codec_u32(codec, "embedded") : 0;
  if (extended)
    codec_u32(codec, "parametric");
  if (embedded)
    codec_array(codec, "order", inputs, CODEC_UINT32);
  uint64_t weights = codec_u64(codec, "weight_count");
  codec_array(codec, "weights", weights, CODEC_FLOAT32);
}

static void
describe_cnn(struct codec *codec)
{
  static const char *const members[] = {
    "height", "width",  "channels",   "outputs",    "stages",     "blocks",    "filters",
    "kernel", "stride", "head_units", "pool_first", "normalised", "activation"};
  uint32_t version = codec_u32(codec, "version");

  for (size_t i = 0; i < sizeof members / sizeof members[0]; i++)
    codec_u32(codec, members[i]);
  codec_float(codec, "dropout");
  codec_u32(codec, "mirror");
  if (version > 1)
    codec_u32(codec, "head_grid");
  uint64_t weights = codec_u64(codec, "weight_count");
  codec_array(codec, "weights", weights, CODEC_FLOAT32);
  uint64_t statistics = codec_u64(codec, "statistic_count");
  codec_array(codec, "statistics", statistics, CODEC_FLOAT32);
}

void (*export_body_find(const char *family))(struct codec *codec)
{
  static const struct
  {
    const char *family;
    void (*describe)(struct codec *codec);
  } bodies[] = {{"linear", describe_linear},
                {"trees", describe_trees},
                {"mlp", describe_mlp},
                {"cnn", describe_cnn}};

  for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++)
    if (strcmp(bodies[i].family, family) == 0)
      return bodies[i].describe;
  return NULL;
}
