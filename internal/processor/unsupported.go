package processor

// Unsupported are the processors of Filebeat that sluice does not have, and
// what to do instead. Those among them that are kinds as well may stand without
// options: they do nothing then.
var Unsupported = map[string]string{
	"add_cloud_metadata":        "a gateway is no machine of a cloud; write its fields with add_fields",
	"add_cloudfoundry_metadata": "there is no Cloud Foundry on a gateway; write the fields with add_fields",
	"add_docker_metadata":       "take the container's name from the path with dissect, or write its fields with add_fields",
	"add_kubernetes_metadata":   "take the pod's name from the path with dissect, or write its fields with add_fields",
	"add_nomad_metadata":        "write the fields with add_fields",
	"decode_cef":                "use dissect, or a filter of Logstash",
	"decode_xml_wineventlog":    "use decode_xml, or a filter of Logstash",
	"parse_aws_vpc_flow_log":    "use dissect, or a filter of Logstash",
	"script":                    "a JavaScript engine would double the program; use if, dissect, convert, replace, copy_fields, rename and drop_event, or a filter of Logstash",
	"translate_sid":             "it works on Windows only; use a filter of Logstash",
	"translate_ldap_attribute":  "ask the directory in a filter of Logstash",
}
