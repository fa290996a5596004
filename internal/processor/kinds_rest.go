package processor

import "time"

// restKinds are the processors that fewer configurations use, with their
// defaults.
var restKinds = map[string]func() options{
	"add_cloud_metadata":      func() options { return &elsewhere{} },
	"add_docker_metadata":     func() options { return &elsewhere{} },
	"add_kubernetes_metadata": func() options { return &elsewhere{} },
	"add_formatted_index":     func() options { return &addFormattedIndex{} },
	"add_network_direction":   func() options { return &addNetworkDirection{} },
	"add_observer_metadata": func() options {
		return &addObserverMetadata{NetInfo: observerNet{true}, Cache: observerCache{5 * time.Minute}}
	},
	"add_process_metadata": func() options {
		return &addProcessMetadata{IgnoreMissing: true, HostPath: "/", CgroupCacheExpireTime: 30 * time.Second}
	},
	"append": func() options { return &appendValues{AllowDuplicate: true, FailOnError: true} },
	"cache":  func() options { return &cache{IgnoreMissing: true} },
	"community_id": func() options {
		return &communityID{Fields: defaultFlowFields, Target: "network.community_id"}
	},
	"decode_base64_field":   func() options { return &decodeBase64{FailOnError: true} },
	"decode_duration":       func() options { return &decodeDuration{Format: "milliseconds"} },
	"decode_xml":            func() options { return &decodeXML{Field: "message", OverwriteKeys: true, ToLower: true} },
	"decompress_gzip_field": func() options { return &decompressGzip{FailOnError: true} },
	"detect_mime_type":      func() options { return &detectMIMEType{} },
	"dns":                   func() options { return defaultDNS() },
	"extract_array":         func() options { return &extractArray{FailOnError: true} },
	"extract_field":         func() options { return &extractField{} },
	"lowercase":             func() options { return newChangeCase(false) },
	"move_fields":           func() options { return &moveFields{} },
	"registered_domain":     func() options { return &registeredDomain{} },
	"syslog": func() options {
		return &syslogMessage{Field: "message", Format: "auto", Timezone: "Local", OverwriteKeys: true}
	},
	"uppercase": func() options { return newChangeCase(true) },
	"urldecode": func() options { return &urlDecode{FailOnError: true} },
}

func newChangeCase(upper bool) *changeCase {
	return &changeCase{FailOnError: true, FullPath: true, AlterFullField: true, upper: upper}
}
