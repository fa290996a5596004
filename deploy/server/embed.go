// Package server holds the files of a server: Elasticsearch, Kibana and Logstash in
// containers, or as Debian packages. They are in the program, so that "sluice setup
// server FOLDER" can write them, with the address in the VPN in place of @ADDRESS@.
// README.md tells how the server is set up; what is put into Elasticsearch is in the
// folder elasticsearch, Logstash's pipeline in the folder logstash.
package server

import "embed"

// Files are all of them. Their paths are those below the folder that is written,
// but for .env.example, which becomes .env, and compose/kibana.yml, which becomes
// secrets/kibana.yml with Kibana's password.
//
//go:embed compose.yaml .env.example set-passwords install-debian compose debian
var Files embed.FS
