/* What a search has learned, asked by a request: the same questions of a job and of a study. */
#ifndef ATTUNE_SERVER_HANDLER_SEARCH_ASK_H
#define ATTUNE_SERVER_HANDLER_SEARCH_ASK_H

#include "server/http.h"
#include "server/search_json.h"
#include "sql/db_insight.h"

/* More ended trials are thinned to so many: the time of an answer is bounded. */
#define SEARCH_ASK_TRIALS 500

/* Fills in a search made for this question, which is freed after it; *view is zeroed. False when it replied. */
typedef bool (*search_ask_open)(struct http_request *req, struct search_json *view);

/* Makes the search of a spec and tells it what came of the trials. Whatever the method that chose them, the
 * questions are those to the Bayesian one. A trial whose point is none of the space (an older program's) is
 * left out. False when it replied. */
bool search_ask_replay(struct http_request *req, struct search_spec *wanted,
                       const struct db_insight_trial *trials, size_t count, struct search **search);

/* Each reads its query, opens the search and replies. */
enum http_outcome search_ask_importance(struct http_request *req, search_ask_open open);
enum http_outcome search_ask_slice(struct http_request *req, search_ask_open open);
enum http_outcome search_ask_pair(struct http_request *req, search_ask_open open);
enum http_outcome search_ask_gain(struct http_request *req, search_ask_open open);

#endif
