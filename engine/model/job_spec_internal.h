/* Shared by job_spec*.c, job_space.c and job_shape.c only. */
#ifndef ATTUNE_MODEL_JOB_SPEC_INTERNAL_H
#define ATTUNE_MODEL_JOB_SPEC_INTERNAL_H

#include "model/job_spec.h"

/* What the stored schema tells of the data and the task (rows, columns, kind, probable classes). */
void job_shape_from_schema(const json_t *schema, const char *target, const char *task_name,
                           struct model_data_shape *shape);

/* The families' default spaces with the job's overrides, {"mlp": {…}, …} (new reference, NULL when out
 * of memory). `overrides` may be NULL; faults are put under "/search/space". */
json_t *job_space_merge(const char *const *families, size_t family_count,
                        const struct model_data_shape *shape, const json_t *overrides,
                        struct arena *arena, struct json_faults *faults);

/* After the overrides: a condition on a fixed parent is decided now. A parameter whose condition can no
 * longer be met leaves the space, with what depends on it and the rules that name it; one whose parent is
 * fixed as wanted becomes unconditional. False without memory. */
bool job_space_settle(json_t *space);

/* The members of "budget", ended by JSON_FIELD_END; what they say, with the default; and their normal form (new
 * reference, NULL when out of memory). */
#define JOB_BUDGET_FIELDS 6
void job_budget_fields(const struct job_spec_context *context,
                       struct json_field fields[JOB_BUDGET_FIELDS]);
void job_budget_read(const json_t *budget, const struct job_spec_context *context,
                     struct job_spec *spec);
json_t *job_budget_write(const struct job_spec *spec);

/* What the reader of validation and weights is given; fills the spec and adds faults. */
struct job_spec_rows
{
  const json_t *request, *schema;
  const struct model_data_shape *shape;
  struct arena *arena;
  struct json_faults *faults;
  struct job_spec *spec; /* its target is read already */
};
void job_spec_read_rows(struct job_spec_rows *rows);

/* What "refit" may be, NULL-terminated. */
extern const char *const job_refit_names[];

/* What the readers of base_model are given. */
struct job_base_data
{
  const struct model_data_shape *shape;
  struct arena *arena;
  struct json_faults *faults;
};
/* Reads the resolved base_model, {"id", "name", "version", "body": the layers (model_base.h)}, into the spec.
 * False without memory. */
bool job_base_read(const json_t *request, const struct job_base_data *data, struct job_spec *spec);
/* With a base one of the families, which have been read, must be able to start from it. */
void job_base_check_families(const struct job_base_data *data, const struct job_spec *spec);
void job_base_write(const struct job_spec *spec, json_t *form);

/* Maps the trials of an earlier job, search.warm_start, to points of the spec's space. They were put there when
 * the job was taken: [[family, {parameters}, objective], …], best first. ERR_MEMORY. */
enum err job_warm_read(const json_t *search, struct job_spec *spec, struct arena *arena,
                       struct json_faults *faults);

/* Keeps them in the normal form. */
void job_warm_write(const json_t *search, json_t *form);

/* The names of the rules for search.early_stopping, NULL-terminated; reads it into the spec, whose method has
 * been read. */
extern const char *const job_early_stopping_names[];
void job_early_stopping_read(const json_t *search, struct job_spec *spec,
                             struct json_faults *faults);

/* Reads search.stop_when, whose members are those of job_stop_fields, into the spec; and adds it to the
 * normal form. */
extern const struct json_field job_stop_fields[];
void job_stop_read(const json_t *search, struct job_spec *spec, struct json_faults *faults);
void job_stop_write(const struct job_spec *spec, json_t *form);

/* Adds "validation", "class_weight", "sample_weight" and "refit" to the normal form. */
void job_spec_write_rows(const struct job_spec *spec, json_t *form);

#endif
