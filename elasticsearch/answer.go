package elasticsearch

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// filterPath leaves out of an answer what is not needed. The status stays for
// each item: an item without any member would be left out, and the others counted
// wrongly.
const filterPath = "errors,items.*.status,items.*.error.type,items.*.error.reason,items.*.error.caused_by.type,items.*.error.caused_by.reason,items.*.error.index"

// answer is what the server says to one item.
type answer struct {
	Status int    `json:"status"`
	Error  *fault `json:"error"`
}

// fault is an error of the server. Old versions answer with a text.
type fault struct {
	Type     string `json:"type"`
	Reason   string `json:"reason"`
	Index    string `json:"index"`
	CausedBy *struct {
		Type   string `json:"type"`
		Reason string `json:"reason"`
	} `json:"caused_by"`
}

// UnmarshalJSON takes an object or a text.
func (f *fault) UnmarshalJSON(data []byte) error {
	if len(data) > 0 && data[0] == '"' {
		return json.Unmarshal(data, &f.Reason)
	}
	type plain fault
	return json.Unmarshal(data, (*plain)(f))
}

// String returns "type: reason: cause", on one line.
func (f *fault) String() string {
	parts := []string{f.Type, f.Reason}
	if f.CausedBy != nil {
		parts = append(parts, f.CausedBy.Type, f.CausedBy.Reason)
	}
	var given []string
	for _, p := range parts {
		if p != "" && !strings.Contains(strings.Join(given, ""), p) {
			given = append(given, p)
		}
	}
	return oneLine(strings.Join(given, ": "))
}

// longestText bounds what a message has of an answer.
const longestText = 400

func oneLine(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if len(s) > longestText {
		s = strings.ToValidUTF8(s[:longestText], "") + "…"
	}
	return s
}

// parseAnswers returns the answers to n items; nil: all are stored.
func parseAnswers(body []byte, n int) ([]answer, error) {
	if bytes.HasPrefix(body, []byte(`{"errors":false,`)) && bytes.Count(body, []byte(`"status":`)) == n {
		return nil, nil
	}
	var reply struct {
		Items []map[string]answer `json:"items"`
	}
	if err := json.Unmarshal(body, &reply); err != nil {
		return nil, fmt.Errorf("the answer is not that of a bulk request (%w): %s", err, oneLine(string(body)))
	}
	if len(reply.Items) != n {
		return nil, fmt.Errorf("the answer is about %d documents, and %d were sent: %s", len(reply.Items), n, oneLine(string(body)))
	}
	answers := make([]answer, n)
	for i, item := range reply.Items {
		for _, a := range item { // one: the action
			answers[i] = a
		}
	}
	return answers, nil
}

// verdict is what is to be done with an item.
type verdict int

const (
	stored   verdict = iota
	again            // sent again, for as long as it takes
	doubtful         // sent again, a few times
	refused          // dead letter
)

// judge decides on an answer; see the package documentation.
func (a answer) judge() verdict {
	switch {
	case a.Status == http.StatusConflict, a.Status >= 200 && a.Status < 300:
		return stored
	case a.Status == http.StatusBadRequest && !a.Error.ofTheServer():
		return refused
	case a.Status >= 500:
		if a.Error != nil && passing[a.Error.Type] {
			return again
		}
		return doubtful
	}
	switch a.Status {
	case http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusRequestTimeout, http.StatusTooManyRequests:
		return again
	}
	return refused
}

// passing are errors of the kind 5xx that end by themselves.
var passing = map[string]bool{
	"unavailable_shards_exception": true, "es_rejected_execution_exception": true, "rejected_execution_exception": true,
	"cluster_block_exception": true, "process_cluster_event_timeout_exception": true, "node_closed_exception": true,
	"master_not_discovered_exception": true, "cluster_manager_not_discovered_exception": true, "no_shard_available_action_exception": true,
	"node_not_connected_exception": true, "circuit_breaking_exception": true, "receive_timeout_transport_exception": true,
}

// ofTheServer tells whether an error 400 is about the state of the server, and
// not about the document.
func (f *fault) ofTheServer() bool {
	if f == nil {
		return false
	}
	reason := f.Reason
	switch f.Type {
	case "validation_exception": // cluster.max_shards_per_node
		return strings.Contains(reason, "shards")
	case "illegal_argument_exception":
		return strings.HasPrefix(reason, "pipeline with id") || strings.HasPrefix(reason, "no write index is defined") ||
			strings.HasPrefix(reason, "Validation Failed") && strings.Contains(reason, "shards")
	}
	return f.Type == "index_closed_exception" || f.Type == "circuit_breaking_exception"
}

// mend says what helps against an error that holds up documents.
func (a answer) mend() string {
	kind := ""
	if a.Error != nil {
		kind = a.Error.Type
	}
	switch {
	case kind == "cluster_block_exception":
		return "the index is read-only, as a rule since the server's disk is full: free space there; Elasticsearch then lifts the block itself, or PUT INDEX/_settings {\"index.blocks.read_only_allow_delete\": null}"
	case kind == "index_closed_exception":
		return "open the index, or delete it"
	case kind == "validation_exception":
		return "the cluster takes no more shards: delete old indices (a lifecycle policy does), or raise cluster.max_shards_per_node"
	case a.Status == http.StatusUnauthorized, a.Status == http.StatusForbidden:
		return "the user or API key lacks the right to write there (create_doc, and auto_configure or create_index)"
	case a.Status == http.StatusNotFound:
		return "create the index or an index template, or allow its creation (action.auto_create_index)"
	case a.Status == http.StatusTooManyRequests:
		return "the server is busy"
	case a.Status == http.StatusBadRequest && a.Error != nil && strings.HasPrefix(a.Error.Reason, "pipeline"):
		return "load the pipeline, or correct output.elasticsearch.pipeline"
	case a.Status == http.StatusBadRequest:
		return "give the alias a write index"
	}
	return "look at the server's log"
}
