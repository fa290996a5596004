package logstash

import "embed"

// Pipelines are Logstash's side: the pipeline that makes documents of our events,
// in two variants. "sluice setup server" writes one of them.
//
//go:embed *.conf
var Pipelines embed.FS
