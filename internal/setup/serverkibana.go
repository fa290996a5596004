package setup

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"mime/multipart"
	"net/http"
	"strings"

	"sluice/elasticsearch"
)

const dashboardFile = "dashboard.ndjson"

// kibanaImport puts the dashboard into Kibana, over an earlier one. Kibana changes
// what it imports to the form of its version, so there is nothing to compare.
type kibanaImport struct{ client *serverClient }

func (i kibanaImport) do(ctx context.Context, s *Session) (report, error) {
	content, err := elasticsearch.Files.ReadFile(dashboardFile)
	if err != nil {
		return report{}, fmt.Errorf("the dashboard is missing in this program: %w", err)
	}
	r := report{verb: "put", line: fmt.Sprintf("dashboard, %d saved objects at %s", bytes.Count(bytes.TrimSpace(content), []byte("\n"))+1, i.client.base), changed: true}
	if s.DryRun {
		return r, nil
	}
	var form bytes.Buffer
	w := multipart.NewWriter(&form)
	part, err := w.CreateFormFile("file", dashboardFile)
	if err == nil {
		_, err = part.Write(content)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		return report{}, err
	}
	const path = "/api/saved_objects/_import?overwrite=true"
	done, err := i.client.send(ctx, http.MethodPost, path, w.FormDataContentType(), form.Bytes(), map[string]string{"kbn-xsrf": "sluice"})
	if err != nil {
		return report{}, err
	}
	if !done.ok() {
		return report{}, fmt.Errorf("dashboard: %w", i.client.refused(http.MethodPost, path, done))
	}
	return r, importFaults(done.text)
}

// importFaults reads the answer to an import: it is 200 for what was refused, too.
func importFaults(text []byte) error {
	var r struct {
		Success bool `json:"success"`
		Errors  []struct {
			ID    string          `json:"id"`
			Type  string          `json:"type"`
			Error json.RawMessage `json:"error"`
		} `json:"errors"`
	}
	if err := json.Unmarshal(text, &r); err != nil {
		return fmt.Errorf("dashboard: Kibana's answer is no JSON; is --kibana its address? %s", serverLine(string(text)))
	}
	if r.Success {
		return nil
	}
	var faults []string
	for _, e := range r.Errors {
		faults = append(faults, fmt.Sprintf("%s %s: %s", e.Type, e.ID, serverLine(string(e.Error))))
	}
	return fmt.Errorf("dashboard: Kibana refuses it: %s", strings.Join(faults, "; "))
}
