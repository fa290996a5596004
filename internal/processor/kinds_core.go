package processor

import "time"

// coreKinds are the processors that most configurations use, with their
// defaults.
var coreKinds = map[string]func() options{
	"add_fields": func() options { return &addFields{Target: "fields"} },
	"add_host_metadata": func() options {
		return &addHostMetadata{NetInfo: netInfo{true}, Cache: hostCache{5 * time.Minute}, ReplaceFields: true}
	},
	"add_id":             func() options { return &addID{TargetField: "@metadata._id", Type: "elasticsearch"} },
	"add_labels":         func() options { return &addLabels{} },
	"add_locale":         func() options { return &addLocale{Format: "offset"} },
	"add_tags":           func() options { return &addTags{Target: "tags"} },
	"convert":            func() options { return &convert{FailOnError: true, Mode: "copy"} },
	"copy_fields":        func() options { return &copyFields{FailOnError: true} },
	"decode_csv_fields":  func() options { return &decodeCSV{Separator: ",", FailOnError: true} },
	"decode_json_fields": func() options { return &decodeJSON{MaxDepth: 1} },
	"dissect": func() options {
		return &dissect{Field: "message", TargetPrefix: "dissect", TrimValues: "none", TrimChars: " "}
	},
	"drop_event":     func() options { return &dropEvent{} },
	"drop_fields":    func() options { return &dropFields{} },
	"fingerprint":    func() options { return &fingerprint{Method: "sha256", Encoding: "hex", TargetField: "fingerprint"} },
	"include_fields": func() options { return &includeFields{} },
	"rate_limit": func() options {
		return &rateLimit{Algorithm: rateAlgorithm{tokenBucket{BurstMultiplier: 1, GC: bucketGC{NumCalls: 10000, NumBuckets: 1000}}}}
	},
	"rename":          func() options { return &rename{FailOnError: true} },
	"replace":         func() options { return &replace{FailOnError: true} },
	"timestamp":       func() options { return &timestamp{TargetField: "@timestamp", Timezone: "UTC"} },
	"truncate_fields": func() options { return &truncateFields{FailOnError: true} },
}
