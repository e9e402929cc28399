/* What a search knows of its space as the JSON of the API, for jobs and studies alike.
 *
 * Values are shown as the caller knows them: where higher is better they were negated for the search and are
 * negated back. Each function writes a new reference to *json on ERR_OK; else ERR_NOT_FOUND (too few trials,
 * or values that no model fits), ERR_INVALID (a parameter or number that can't be used) or ERR_MEMORY, with a
 * sentence. One thread at a time per search.
 */
#ifndef ATTUNE_SERVER_SEARCH_JSON_H
#define ATTUNE_SERVER_SEARCH_JSON_H

#include <jansson.h>

#include "base/space.h"
#include "search/importance.h"
#include "search/search.h"

struct search_json
{
  struct search *search;
  const struct space *space;
  bool higher; /* its values are negated scores */
  bool next;   /* a slice also says where the search would look next; that ask stays in `search` */
};

/* {"model", "trials", "focus", "sd", "params": [{"name", "share", "where_active", "active"}], "pairs":
 * [{"params": [a, b], "share", "where_active", "active"}], "rest"} */
enum err search_json_importance(const struct search_json *view,
                                const struct search_importance_options *options, json_t **json,
                                struct err_info *info);

/* {"param", "averaged", "points": [{"at", "mean", "sd", "spread", "best_mean", "best_sd", "log_ei"}],
 * "observations": [{"trial", "at", "value"}], "next": {"at", "params"} or null} */
enum err search_json_slice(const struct search_json *view, const char *param, size_t points,
                           json_t **json, struct err_info *info);

/* {"x": {"param", "values"}, "y": {…}, "averaged", "mean": [[…]], "best_mean": [[…]], "observations":
 * [{"trial", "x", "y", "value"}]}; mean[i][j] is at x.values[i] and y.values[j]. */
enum err search_json_pair(const struct search_json *view, const char *x, const char *y,
                          size_t points, json_t **json, struct err_info *info);

/* {"trials", "best", "expected_gain", "regret_bound", "noise"} */
enum err search_json_gain(const struct search_json *view, json_t **json, struct err_info *info);

#endif
