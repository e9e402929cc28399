#include <config.h>

#include "model/job_spec_internal.h"

#include <string.h>

#include "model/model_base.h"

#define POINTER "/base_model"

bool
job_base_read(const json_t *request, const struct job_base_data *data, struct job_spec *spec)
{
  const json_t *base = json_object_get(request, "base_model");
  char text[200];

  if (!base || json_is_null(base))
    return true;
  spec->base_model_id = arena_strdup(data->arena, json_get_string(base, "id", ""));
  spec->base_model_name = arena_strdup(data->arena, json_get_string(base, "name", ""));
  spec->base_model_version = (int) json_get_integer(base, "version", 0);
  if (!spec->base_model_id || !spec->base_model_name)
    return false;
  if (!json_is_object(base) || !*spec->base_model_id || spec->base_model_version < 1
      || !model_base_from_json(json_object_get(base, "body"), &spec->base))
    json_fault_add(data->faults, POINTER, "such as \"shoes\" or \"shoes@3\"",
                   "must be the name of a model");
  else if (model_base_refuse(&spec->base, data->shape, text, sizeof text))
    json_fault_add(data->faults, POINTER,
                   data->shape->kind == DATASET_IMAGES
                     ? "name a model that was trained on such images"
                     : "leave it out",
                   "%s", text);
  else
    return true;
  spec->base = (struct model_base){0};
  return true;
}

void
job_base_check_families(const struct job_base_data *data, const struct job_spec *spec)
{
  const struct model_family *cnn = model_family_find("cnn");

  for (size_t i = 0; i < spec->family_count; i++)
    if (strcmp(spec->families[i], cnn->name) == 0)
      return;
  if (cnn->refuse(data->shape))
    json_fault_add(data->faults, POINTER, "leave it out", "%s", cnn->refuse(data->shape));
  else
    json_fault_add(data->faults, POINTER, "add \"cnn\" to families, or leave families out",
                   "only the family cnn can start from a model");
}

void
job_base_write(const struct job_spec *spec, json_t *form)
{
  if (spec->base.stages)
    json_object_set_new(form, "base_model",
                        json_pack("{s:s, s:s, s:i, s:o}", "id", spec->base_model_id, "name",
                                  spec->base_model_name, "version", spec->base_model_version,
                                  "body", model_base_to_json(&spec->base)));
}
