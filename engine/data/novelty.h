/* How far a row or an image is from the data a model was made from: statistics of each input, kept with the model.
 *
 * Each input has a distance of its own. A number's is how many spreads (quartile range / 1.349, the standard
 * deviation of a normal distribution) it lies from the median. What is there or not, a category or a gap, is as far as
 * a normal number that is as rare: √(2 ln (1 / share)); what never was counts as seen once in all rows and one more. A
 * text that is there has none. The distance of the whole is the root of the mean of their squares, and is told beside
 * the share of training rows that are as far or farther. Inputs are looked at one by one: a rare combination of usual
 * values is not far. Of images the inputs are brightness, contrast, detail and colour.
 *
 * Owns everything; immutable once made; any thread may measure.
 */
#ifndef ATTUNE_DATA_NOVELTY_H
#define ATTUNE_DATA_NOVELTY_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "data/dataset.h"
#include "data/task.h"

#define NOVELTY_IMAGE_INPUTS 4
/* No input is farther than this. */
#define NOVELTY_MOST 100.0

struct novelty;

/* From all rows of a dataset, medians and distances from an even part of them where they are many; inputs are the
 * columns that task_takes_column, in their order (row_schema_from_task), or of images as below. ERR_MEMORY. */
enum err novelty_fit(const struct dataset *dataset, const struct task *task,
                     struct novelty **novelty, struct err_info *info);
void novelty_free(struct novelty *novelty);

size_t novelty_rows(const struct novelty *novelty);
size_t novelty_inputs(const struct novelty *novelty);
/* Whether every row had a value. */
bool novelty_never_missing(const struct novelty *novelty, size_t input);
/* The least and greatest of a number; false when there is none. */
bool novelty_range(const struct novelty *novelty, size_t input, double *low, double *high);

/* distances (inputs) ← each input's of a table's row; its columns are the inputs in their order, with the categories
 * of the dataset. `unknown` (inputs; may be NULL): the value was none of the categories. The return is the distance of
 * the whole. */
double novelty_row(const struct novelty *novelty, const struct table *table, size_t row,
                   const bool *unknown, double *distances);

/* values (NOVELTY_IMAGE_INPUTS) ← brightness: mean of all pixels; contrast: their standard deviation; detail: mean
 * difference of neighbours; colour: mean range over a pixel's channels. All 0 to 255. */
void novelty_image_values(const uint8_t *pixels, size_t height, size_t width, size_t channels,
                          double *values);
const char *novelty_image_name(size_t input);
/* The same as novelty_row for such values. */
double novelty_image(const struct novelty *novelty, const double *values, double *distances);

/* The share of training rows (or images) at that distance of the whole or farther, 0 to 1. */
double novelty_farther(const struct novelty *novelty, double distance);

/* For the model file: new reference, NULL when out of memory; and back, ERR_INVALID when damaged or not of so many
 * inputs. */
json_t *novelty_json(const struct novelty *novelty);
enum err novelty_read(const json_t *json, size_t inputs, struct novelty **novelty,
                      struct err_info *info);

#endif
