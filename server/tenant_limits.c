#include <config.h>

#include "server/tenant_limits.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

#include "base/options.h"
#include "base/text.h"

struct limit
{
  const char *name;
  size_t offset;
  enum option_kind kind;
  double least, most;
};

static const struct limit every_limit[] = {
#define LIMIT(field, kind, option, fallback, least, most, help)                                    \
  {#field, offsetof(struct server_limits, field), OPTION_##kind, least, most},
#include "server/limits.def"
#undef LIMIT
};
#define EVERY_COUNT (sizeof every_limit / sizeof every_limit[0])

/* Those that make sense for one tenant, in the order they are shown. */
static const char *const own_names[] = {"requests_per_minute",
                                        "live_uploads",
                                        "upload_bytes",
                                        "tenant_bytes",
                                        "live_jobs",
                                        "job_seconds",
                                        "job_trials",
                                        "studies",
                                        "study_trials",
                                        "predict_rows",
                                        "keys",
                                        "webhooks",
                                        NULL};

_Static_assert(sizeof own_names / sizeof own_names[0] - 1 <= TENANT_LIMITS_MAX,
               "struct tenant_limits has room for all names");

static const struct limit *
find(const char *name)
{
  for (size_t i = 0; i < EVERY_COUNT; i++)
    if (strcmp(every_limit[i].name, name) == 0)
      return &every_limit[i];
  return NULL;
}

static bool
in_bounds(const struct limit *limit, const json_t *value)
{
  double number = json_number_value(value);
  return json_is_number(value) && number >= limit->least && number <= limit->most
         && (limit->kind == OPTION_NUMBER || number == floor(number));
}

void
tenant_limits_read(const char *text, struct tenant_limits *limits)
{
  memset(limits, 0, sizeof *limits);
  json_t *object = text ? json_loads(text, 0, NULL) : NULL;
  for (size_t i = 0; own_names[i]; i++)
  {
    const json_t *value = json_object_get(object, own_names[i]);
    const struct limit *limit = find(own_names[i]);
    if (!limit || !value || !in_bounds(limit, value))
      continue;
    limits->set |= 1u << i;
    limits->value[i] = json_number_value(value);
  }
  json_decref(object);
}

void
tenant_limits_apply(const struct tenant_limits *own, struct server_limits *limits)
{
  for (size_t i = 0; own_names[i]; i++)
  {
    const struct limit *limit = own->set & (1u << i) ? find(own_names[i]) : NULL;
    if (!limit
        || (limit->offset == offsetof(struct server_limits, upload_bytes)
            && own->value[i] > (double) limits->upload_bytes))
      continue;
    void *place = (char *) limits + limit->offset;
    if (limit->kind == OPTION_NUMBER)
      memcpy(place, &own->value[i], sizeof own->value[i]);
    else
      memcpy(place, &(size_t){(size_t) own->value[i]}, sizeof(size_t));
  }
}

void
tenant_limits_check(const json_t *value, const char *pointer, struct json_faults *faults)
{
  const char *name;
  json_t *item;
  if (!json_is_object(value))
  {
    json_fault_add(faults, pointer, "{\"live_jobs\": 5}", "an object of limits is needed");
    return;
  }
  json_object_foreach((json_t *) (uintptr_t) value, name, item)
  {
    const char *place = json_pointer(faults->arena, pointer, name);
    const struct limit *limit = NULL;
    size_t count = 0;
    for (; own_names[count]; count++)
      if (strcmp(own_names[count], name) == 0)
        limit = find(name);
    if (!limit)
    {
      const char *near = text_nearest(name, own_names, count);
      json_fault_add(faults, place,
                     near ? near : "GET /api/v1/tenants/self shows them under \"limits\"",
                     "there is no such limit of a tenant");
    }
    else if (!json_is_null(item) && !in_bounds(limit, item))
      json_fault_add(faults, place, "null gives the installation's limit back",
                     "must be a %snumber from %.15g to %.15g",
                     limit->kind == OPTION_NUMBER ? "" : "whole ", limit->least, limit->most);
  }
}

json_t *
tenant_limits_view(const struct server_limits *limits)
{
  json_t *view = json_object();
  for (size_t i = 0; own_names[i]; i++)
  {
    const struct limit *limit = find(own_names[i]);
    if (!limit)
      continue;
    const char *place = (const char *) limits + limit->offset;
    double number;
    size_t whole;
    if (limit->kind == OPTION_NUMBER)
    {
      memcpy(&number, place, sizeof number);
      json_object_set_new(view, own_names[i], json_real(number));
    }
    else
    {
      memcpy(&whole, place, sizeof whole);
      json_object_set_new(view, own_names[i], json_integer((json_int_t) whole));
    }
  }
  return view;
}
