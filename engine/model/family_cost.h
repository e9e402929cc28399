/* What fits cost: CPU seconds on one core, for planning before anything has been measured.
 *
 * A formula per family over rows, encoded columns, classes and the parameters that matter; its constants
 * come from `make tests/bench/cost_model`, run on the machine whose factor is 1. Good to a factor of 3 in
 * most cases; the engine goes by what its trials have taken as soon as there is one. Pure, but for the
 * factor's measurement; any thread.
 */
#ifndef ATTUNE_MODEL_FAMILY_COST_H
#define ATTUNE_MODEL_FAMILY_COST_H

#include <jansson.h>
#include <stddef.h>

#include "model/job_spec.h"
#include "model/model.h"

/* CPU seconds of one fit on `rows` rows; parameters left out (params may be NULL) have their tuned
 * defaults. 0 for an unknown family. */
double family_cost(const char *family, const struct model_data_shape *shape, const json_t *params,
                   size_t rows);

/* The least a fit of so many rows can be cut down to when its time is short: networks shorten their
 * schedule, trees and linear models stop early. */
double family_cost_least(const char *family, const struct model_data_shape *shape,
                         const json_t *params, size_t rows);

/* How this machine compares with the one of the constants: 2 = everything takes twice as long. Takes some
 * 30 ms to measure; remember it. */
double family_machine_factor(void);

/* CPU seconds that a process needs before its first fit of the family, beside being started: oneDNN makes its
 * kernels. (Trees and linear models of one output have no use for them.) */
double family_start_s(const char *family, const struct model_data_shape *shape);

/* One fit of a family of a job: at the default point of its space, and the cheapest the space allows cut
 * down as far as it goes. */
struct family_cost_range
{
  double usual_s, least_s;
};
struct family_cost_range family_cost_of_job(const struct job_spec *spec, size_t family,
                                            const struct model_data_shape *shape, size_t rows);

/* The numbers that a table's columns become in the view of networks and linear models, from the stored
 * schema; special columns of the job left out. */
size_t family_encoded_columns(const json_t *schema, const char *target);

/* About how many characters a row has in text columns, by their examples in the stored schema. */
size_t family_text_characters(const json_t *schema, const char *target);

#endif
