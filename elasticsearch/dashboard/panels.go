package main

// view is the data view's id; panels refer to it.
const view = "sluice-mqtt"

// indices are those that the data view covers.
const indices = "mqtt-*"

// lagScript is how long a reading took from the sensor to the gateway's shipper.
// A reading without event.created has none.
const lagScript = `if (doc.containsKey('event.created') && doc['event.created'].size() > 0) { emit((doc['event.created'].value.toInstant().toEpochMilli() - doc['@timestamp'].value.toInstant().toEpochMilli()) / 1000.0) }`

// panel is one visualization and its place: the grid has 48 columns.
type panel struct {
	id, title  string
	kind       string // of visualization
	query      string // KQL
	x, y, w, h int
	aggs       []agg
	params     object
}

// agg is an aggregation of a panel.
type agg struct {
	kind   string // max, terms, date_histogram, …
	schema string // metric, segment, group, bucket
	params object
}

type object = map[string]any

// panels lists the dashboard from top to bottom.
func panels() []panel {
	return []panel{
		{id: "humidity-now", title: "Humidity now", kind: "gauge", query: "humidity: *", x: 0, y: 0, w: 12, h: 12,
			aggs: []agg{latest("humidity", "%")}, params: gauge(0, 25, 50, 75, 100)},
		{id: "temperature-now", title: "Temperature now", kind: "gauge", query: "temperature: *", x: 12, y: 0, w: 12, h: 12,
			aggs: []agg{latest("temperature", "°C")}, params: gauge(-5, 5, 15, 25, 35, 50)},
		{id: "gateways", title: "Gateways: last reading, and how late it came (click to filter)", kind: "table", x: 24, y: 0, w: 24, h: 12,
			aggs: []agg{
				{"max", "metric", object{"field": "@timestamp", "customLabel": "last reading"}},
				{"max", "metric", object{"field": lagField, "customLabel": "greatest lag, s"}},
				{"count", "metric", object{"customLabel": "readings"}},
				terms("bucket", "site", 50), terms("bucket", "gateway", 200),
			}, params: table()},
		{id: "humidity", title: "Humidity", kind: "line", query: "humidity: *", x: 0, y: 12, w: 24, h: 14,
			aggs: []agg{average("humidity", "%"), overTime(), terms("group", "sensor", 20)}, params: lines("%", "line")},
		{id: "temperature", title: "Temperature", kind: "line", query: "temperature: *", x: 24, y: 12, w: 24, h: 14,
			aggs: []agg{average("temperature", "°C"), overTime(), terms("group", "sensor", 20)}, params: lines("°C", "line")},
		{id: "values", title: "All other values", kind: "line", query: "value: * and not humidity: * and not temperature: *", x: 0, y: 26, w: 24, h: 14,
			aggs: []agg{average("value", "value"), overTime(), terms("group", "topic", 20)}, params: lines("value", "line")},
		{id: "messages-by-gateway", title: "Messages by gateway", kind: "histogram", x: 24, y: 26, w: 24, h: 14,
			aggs: []agg{{"count", "metric", object{"customLabel": "messages"}}, overTime(), terms("group", "gateway", 20)}, params: lines("messages", "histogram")},
		{id: "messages-by-topic", title: "Messages by topic", kind: "table", query: "topic: *", x: 0, y: 40, w: 24, h: 14,
			aggs: []agg{
				{"count", "metric", object{"customLabel": "messages"}},
				{"max", "metric", object{"field": "@timestamp", "customLabel": "last"}},
				terms("bucket", "topic", 200),
			}, params: table()},
		{id: "lag", title: "Lag of readings, s", kind: "line", x: 24, y: 40, w: 24, h: 14,
			aggs:   []agg{{"max", "metric", object{"field": lagField, "customLabel": "greatest lag, s"}}, overTime(), terms("group", "gateway", 20)},
			params: lines("s", "line")},
		{id: "events", title: "Gaps, losses and other events", kind: "table", query: "event.action: * or tags: *failure", x: 0, y: 54, w: 48, h: 12,
			aggs: []agg{
				{"count", "metric", object{"customLabel": "times"}},
				{"max", "metric", object{"field": "@timestamp", "customLabel": "last"}},
				terms("bucket", "gateway", 50), terms("bucket", "event.action", 20), terms("bucket", "source", 50),
			}, params: table()},
	}
}

const lagField = "lag_seconds"

// latest is the newest value of a field.
func latest(field, label string) agg {
	return agg{"top_hits", "metric", object{
		"field": field, "aggregate": "average", "size": 1, "sortField": "@timestamp", "sortOrder": "desc", "customLabel": label,
	}}
}

func average(field, label string) agg {
	return agg{"avg", "metric", object{"field": field, "customLabel": label}}
}

func overTime() agg {
	return agg{"date_histogram", "segment", object{
		"field": "@timestamp", "useNormalizedEsInterval": true, "interval": "auto", "drop_partials": false, "min_doc_count": 1, "extended_bounds": object{},
	}}
}

func terms(schema, field string, size int) agg {
	return agg{"terms", schema, object{
		"field": field, "orderBy": "1", "order": "desc", "size": size, "otherBucket": false, "otherBucketLabel": "Other",
		"missingBucket": false, "missingBucketLabel": "Missing",
	}}
}

// gauge has a color for each range between two limits.
func gauge(limits ...int) object {
	var ranges []object
	for i := 1; i < len(limits); i++ {
		ranges = append(ranges, object{"from": limits[i-1], "to": limits[i]})
	}
	return object{
		"type": "gauge", "addTooltip": true, "addLegend": false, "isDisplayWarning": false,
		"gauge": object{
			"alignment": "automatic", "extendRange": true, "percentageMode": false, "gaugeType": "Arc", "gaugeStyle": "Full", "backStyle": "Full",
			"orientation": "vertical", "colorSchema": "Green to Red", "gaugeColorMode": "Labels", "colorsRange": ranges, "invertColors": false,
			"labels": object{"show": true, "color": "black"}, "scale": object{"show": true, "labels": false, "color": "rgba(105,112,125,0.2)"},
			"type": "meter", "style": object{"bgWidth": 0.9, "width": 0.9, "mask": false, "bgMask": false, "maskBars": 50, "bgFill": "rgba(105,112,125,0.2)", "bgColor": true, "subText": "", "fontSize": 60},
		},
	}
}

func table() object {
	return object{
		"perPage": 10, "showPartialRows": false, "showMetricsAtAllLevels": false, "showTotal": false, "totalFunc": "sum", "percentageCol": "", "showToolbar": true,
	}
}

// lines is a chart over time: kind is line or histogram.
func lines(label, kind string) object {
	return object{
		"type": kind, "grid": object{"categoryLines": false}, "addTooltip": true, "addLegend": true, "legendPosition": "right", "times": []any{}, "addTimeMarker": false,
		"categoryAxes": []object{{
			"id": "CategoryAxis-1", "type": "category", "position": "bottom", "show": true, "scale": object{"type": "linear"},
			"labels": object{"show": true, "filter": true, "truncate": 100}, "title": object{}, "style": object{},
		}},
		"valueAxes": []object{{
			"id": "ValueAxis-1", "name": "LeftAxis-1", "type": "value", "position": "left", "show": true, "scale": object{"type": "linear", "mode": "normal"},
			"labels": object{"show": true, "rotate": 0, "filter": false, "truncate": 100}, "title": object{"text": label}, "style": object{},
		}},
		"seriesParams": []object{{
			"show": true, "type": kind, "mode": map[string]string{"line": "normal", "histogram": "stacked"}[kind], "data": object{"label": label, "id": "1"},
			"valueAxis": "ValueAxis-1", "drawLinesBetweenPoints": true, "lineWidth": 2, "interpolate": "linear", "showCircles": true,
		}},
		"thresholdLine": object{"show": false, "value": 10, "width": 1, "style": "full", "color": "#E7664C"}, "labels": object{"show": false},
		"palette": object{"type": "palette", "name": "default"}, "detailedTooltip": true, "fittingFunction": "linear",
	}
}
