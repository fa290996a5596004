// Command dashboard writes elasticsearch/dashboard.ndjson: a data view, a dashboard
// and its panels, for Kibana 7.17, 8 and 9.
//
// # Why a program
//
// A saved object holds JSON in strings in JSON, and a panel is named in three
// places. Here each panel is a few lines (panels.go); the rest is made from them,
// always the same.
//
// # What the versions take
//
// Objects are in the form of 7.17, the oldest version that the file is for; later
// ones convert them at the import. So there are only kinds of panels that all three
// have: those based on aggregations. Controls are none of them: a click on a site
// or gateway in the table filters the whole dashboard.
//
//	POST KIBANA/api/saved_objects/_import?overwrite=true   (header kbn-xsrf: true)
package main
