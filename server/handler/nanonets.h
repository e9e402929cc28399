/* The paths of Nanonets' image classification (docs.nanonets.com), for apps that move: with the key as the user name
 * of Basic authentication. A model is created with its categories, takes images of each, is trained, and is then
 * asked for labels. What is created is a draft, whose id is the modelId and becomes the model's name; a model that was
 * made otherwise is asked by its name or id. What several of these handlers share. */
#ifndef ATTUNE_SERVER_HANDLER_NANONETS_H
#define ATTUNE_SERVER_HANDLER_NANONETS_H

#include "server/http.h"
#include "sql/db_draft.h"

/* What the ids of drafts start with; models may be called so, too. */
#define NANONETS_ID "im_"

/* A text that the caller sends as a part of the form or in the query; NULL when absent or empty. */
const char *nanonets_text(const struct http_request *req, const struct http_part *parts,
                          size_t count, const char *name);

/* The model of the path, the form or the query. NULL when it replied. */
const char *nanonets_model_id(struct http_request *req, const struct http_part *parts,
                              size_t count);

/* The draft of that id. False when it replied. */
bool nanonets_draft_find(struct http_request *req, struct db_conn *conn, const char *id,
                         struct db_draft *draft);

/* Replies with the draft as it is now: its state, and how many images each category has. */
void nanonets_draft_reply(struct http_request *req, struct db_conn *conn, const char *id);

#endif
