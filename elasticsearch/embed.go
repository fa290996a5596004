package elasticsearch

import "embed"

// Files are what a server needs for our documents, as its APIs take them: index
// templates, ingest pipeline, lifecycle, roles, backup, and Kibana's dashboard. An
// opensearch- before a name is the form of OpenSearch. deploy/server/README.md
// tells what each is for; "sluice setup server" applies them.
//
//go:embed *.*json
var Files embed.FS
