/* Private to inference*.c: a request of the Open Inference Protocol v2, read, and what its answer needs. */
#ifndef ATTUNE_SERVER_HANDLER_INFERENCE_H
#define ATTUNE_SERVER_HANDLER_INFERENCE_H

#include "server/handler/dialect.h"
#include "server/tensor.h"

/* The outputs there are: of classes the first two, of numbers the last. */
enum inference_output
{
  INFERENCE_LABEL,
  INFERENCE_PROBABILITIES,
  INFERENCE_VALUE
};

#define INFERENCE_OUTPUTS_MAX 16

/* What the answer is to be like (arena). */
struct inference_answer
{
  const char *id; /* NULL = none was sent */
  size_t count;
  struct
  {
    enum inference_output output;
    bool binary;
  } outputs[INFERENCE_OUTPUTS_MAX];
};

extern const char *const inference_output_names[3];

/* An input with where it stands in the body. */
struct inference_input
{
  const char *name;
  const char *pointer;
  struct tensor tensor;
};

/* The outputs that the body asks for, all of the model when it names none. False when it replied. */
bool inference_outputs_read(struct http_request *req, const struct model_about *about,
                            const json_t *body, struct inference_answer *answer);

/* Inputs in JSON of nothing but numbers, from the parsed rest of a body whose lists were lifted. False, with
 * nothing done, when anything about them is out of the ordinary. */
bool inference_numbers_read(struct http_request *req, const struct model_about *about,
                            const json_t *inputs, const struct json_lift *lift, double us_per_row,
                            double budget_us, struct predict_input *input,
                            enum predict_read *result);

/* Tensors as rows or images of the model. */
enum predict_read inference_rows_read(struct http_request *req, const struct model_about *about,
                                      const struct inference_input *inputs, size_t count,
                                      double us_per_row, double budget_us,
                                      struct predict_input *input);

/* Replies with the outputs. */
void inference_reply(struct http_request *req, const struct model_ref *ref,
                     const struct model_about *about, const char *prediction_id,
                     const struct predict_input *input, const float *outputs);

#endif
