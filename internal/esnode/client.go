package esnode

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// Request sends a request and returns the answer's status and body. The path
// begins with a slash; a body is JSON, or for _bulk lines of JSON. User and
// password are added if the node has them.
func (n *Node) Request(method, path, body string) (status int, answer []byte, err error) {
	request, err := http.NewRequest(method, n.URL+path, strings.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	if n.User != "" {
		request.SetBasicAuth(n.User, n.Password)
	}
	response, err := n.client.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer func() { _ = response.Body.Close() }()
	answer, err = io.ReadAll(response.Body)
	return response.StatusCode, answer, err
}

// Do is Request; without an answer the test ends.
func (n *Node) Do(method, path, body string) (status int, answer []byte) {
	n.t.Helper()
	status, answer, err := n.Request(method, path, body)
	if err != nil {
		n.t.Fatalf("esnode: %v", err)
	}
	return status, answer
}

// OK is Do; with an answer other than 2xx the test ends.
func (n *Node) OK(method, path, body string) []byte {
	n.t.Helper()
	status, answer := n.Do(method, path, body)
	if status < 200 || status > 299 {
		n.t.Fatalf("esnode: %s %s: status %d: %s", method, path, status, answer)
	}
	return answer
}

// Count returns the number of documents that a search finds in an index, a data
// stream or a pattern of them, after a refresh.
func (n *Node) Count(index string) int {
	n.t.Helper()
	n.OK("POST", "/"+index+"/_refresh", "")
	var answer struct{ Count int }
	if err := json.Unmarshal(n.OK("GET", "/"+index+"/_count", ""), &answer); err != nil {
		n.t.Fatalf("esnode: _count: %v", err)
	}
	return answer.Count
}

// diskTime is how long the node may take to notice its disk: it looks every 10 s.
const diskTime = 40 * time.Second

// FillDisk makes the node believe that its disk is full, by watermarks that no
// disk can meet, and waits until it has blocked the index: writes to it fail
// with 429 and a cluster_block_exception for each document. It takes 10 to 20 s;
// an index that is made afterwards is blocked at the node's next look.
func (n *Node) FillDisk(index string) {
	n.t.Helper()
	n.watermarks(`"true"`, `"1000tb"`)
	n.waitBlock(index, true)
}

// FreeDisk ends what FillDisk began, and waits until the node has lifted its
// block itself, in 10 to 20 s.
func (n *Node) FreeDisk(index string) {
	n.t.Helper()
	n.watermarks(`"true"`, `"1b"`)
	n.waitBlock(index, false)
	n.watermarks(`null`, `null`)
}

func (n *Node) watermarks(enabled, free string) {
	n.t.Helper()
	n.OK("PUT", "/_cluster/settings", fmt.Sprintf(`{"persistent":{
		"cluster.routing.allocation.disk.threshold_enabled":%s,
		"cluster.routing.allocation.disk.watermark.low":%s,
		"cluster.routing.allocation.disk.watermark.high":%[2]s,
		"cluster.routing.allocation.disk.watermark.flood_stage":%[2]s}}`, enabled, free))
}

func (n *Node) waitBlock(index string, want bool) {
	n.t.Helper()
	for deadline := time.Now().Add(diskTime); time.Now().Before(deadline); time.Sleep(200 * time.Millisecond) {
		answer := n.OK("GET", "/"+index+"/_settings?flat_settings=true", "")
		if bytes.Contains(answer, []byte(`"index.blocks.read_only_allow_delete":"true"`)) == want {
			return
		}
	}
	n.t.Fatalf("esnode: the block of %s is not %v after %v", index, want, diskTime)
}
