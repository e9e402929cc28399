/* What a fit may start from: the convolutional body of a trained image model.
 *
 * A model is asked for its body's layers (struct model_base) where a job is taken, and for the network itself
 * where it is fitted. Of a bag it is the convolutional member with the most weight. Pure; any thread.
 */
#ifndef ATTUNE_MODEL_MODEL_BASE_H
#define ATTUNE_MODEL_MODEL_BASE_H

#include <jansson.h>
#include <stdbool.h>

#include "base/err.h"
#include "model/convnet.h"
#include "model/model.h"
#include "model/model_build.h"

/* ERR_INVALID, with the reason, when the model has no such body. */
enum err model_base_find(const struct model *model, struct model_base *base, struct err_info *info);

/* The network of a model for which model_base_find said yes, and how it sees images. Both borrowed. */
const struct convnet *model_base_net(const struct model *model, const struct model_pixels **pixels);

/* NULL if a network for such data can start from the base, else why not, written into text. */
const char *model_base_refuse(const struct model_base *base, const struct model_data_shape *shape,
                              char *text, size_t size);

/* For a job's stored form; NULL when out of memory. Reading gives false for what could not be built. */
json_t *model_base_to_json(const struct model_base *base);
bool model_base_from_json(const json_t *json, struct model_base *base);

#endif
