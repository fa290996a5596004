package elastic

// lineCase is a line of a spool and the document that each way makes of it.
type lineCase struct {
	name string
	// line is the line as it stands in the file.
	line string
	// with is a JSON object that the event has beside it, such as clock.
	with string
	// want is the document without site, gateway and event.created. One without
	// @timestamp has the time of its reading, and no event.created.
	want string
}

// The beginnings and ends that recorded lines have in common.
const (
	at        = `{"time":"2026-11-21T19:43:39.155120334Z",`
	mqtt      = at + `"topic":"pi/feeds/0/temp","qos":1,"retained":false,"duplicate":false,"id":7,"payload":`
	mqttEnd   = `,"encoding":"text","boot":"1f3c9a44","monotonic":88.267824,"synced":true}`
	serial    = at + `"source":"serial","port":"usb:2341:0043:9573","device":"/dev/ttyACM0","line":`
	serialEnd = `,"boot":"1f3c9a44","monotonic":86.402513,"synced":true}`

	wantAt     = `{"@timestamp":"2026-11-21T19:43:39.155Z","kind":"reading",`
	wantClock  = `"boot":"1f3c9a44","monotonic":88.267824,"clock":{"synced":true},`
	wantMQTT   = wantAt + wantClock + `"source":"mqtt","sensor":"pi/feeds/0","topic":"pi/feeds/0/temp","mqtt":{"qos":1,"retained":false,"duplicate":false,"message_id":7},`
	wantPort   = `"source":"serial","port":"usb:2341:0043:9573","sensor":"usb:2341:0043:9573","device":"/dev/ttyACM0",`
	wantBoot   = `"boot":"1f3c9a44","monotonic":86.402513,"clock":{"synced":true},` + wantPort
	wantSerial = wantAt + wantBoot
	wantEvent  = `{"@timestamp":"2026-11-21T19:43:39.155Z","kind":"event",`
	wantText   = `{"@timestamp":"2026-11-21T19:43:39Z","kind":"reading","source":"mqtt","sensor":"/feeds/0",`
)

func mqttCase(name, payload, want string) lineCase {
	return lineCase{name: name, line: mqtt + payload + mqttEnd, want: wantMQTT + want + "}"}
}

func serialCase(name, line, want string) lineCase {
	return lineCase{name: name, line: serial + line + serialEnd, want: wantSerial + want + "}"}
}

// lineCases are the lines that every way must agree about.
var lineCases = append(append(recordCases, textCases...), failureCases...)

var recordCases = []lineCase{
	mqttCase("a number", `"21.4"`, `"value":21.4,"temperature":21.4`),
	mqttCase("a negative number", `"-3.4"`, `"value":-3.4,"temperature":-3.4`),
	mqttCase("a sign", `"+5"`, `"value":5,"temperature":5`),
	mqttCase("digits on one side only", `".5"`, `"value":0.5,"temperature":0.5`),
	mqttCase("a point at the end", `"5."`, `"value":5,"temperature":5`),
	mqttCase("an exponent", `"1.5e3"`, `"value":1500,"temperature":1500`),
	mqttCase("a float of Python", `"21.399999618530273"`, `"value":21.399999618530273,"temperature":21.399999618530273`),
	mqttCase("a large number", `"12345678901234567890"`, `"value":12345678901234567890,"temperature":12345678901234567890`),
	mqttCase("a number that no double can hold", `"1e999"`, `"value_text":"1e999"`),
	mqttCase("far too many digits", `"1234567890123456789012345678901234567890"`, `"value_text":"1234567890123456789012345678901234567890"`),
	mqttCase("NaN", `"NaN"`, `"value_text":"NaN"`),
	mqttCase("infinity", `"-Infinity"`, `"value_text":"-Infinity"`),
	mqttCase("hexadecimal", `"0x1F"`, `"value_text":"0x1F"`),
	mqttCase("underscores", `"1_000"`, `"value_text":"1_000"`),
	mqttCase("a comma for the point", `"21,4"`, `"value_text":"21,4"`),
	mqttCase("white space around", `" 21.4\r\n"`, `"value":21.4,"temperature":21.4`),
	mqttCase("a NUL at the end, as in C", `"\f21.4\u0000"`, `"value":21.4,"temperature":21.4`),
	mqttCase("a NUL in the middle", `"21\u00004"`, `"value_text":"21\u00004"`),
	mqttCase("nothing", `""`, `"value_text":""`),
	mqttCase("a blank", `" "`, `"value_text":" "`),
	mqttCase("a word", `"online"`, `"value_text":"online"`),
	mqttCase("line breaks", `"1\n2"`, `"value_text":"1\n2"`),
	mqttCase("a NUL", `"a\u0000b"`, `"value_text":"a\u0000b"`),
	mqttCase("other letters", `"°C ñ 温度 😀"`, `"value_text":"°C ñ 温度 😀"`),
	mqttCase("an object", `"{\"co2\": 412, \"ok\": true, \"name\": \"hall 1\"}"`,
		`"value_text":"{\"co2\": 412, \"ok\": true, \"name\": \"hall 1\"}","values":{"co2":412,"ok":true,"name":"hall 1"}`),
	mqttCase("an object with value and unit", `"{\"value\":21.5,\"unit\":\"C\"}"`,
		`"value_text":"{\"value\":21.5,\"unit\":\"C\"}","values":{"value":21.5,"unit":"C"},"value":21.5,"unit":"C"`),
	mqttCase("an object with texts for numbers", `"{\"hum\":\"NaN\",\"value\":\"55\",\"unit\":5}"`,
		`"value_text":"{\"hum\":\"NaN\",\"value\":\"55\",\"unit\":5}","values":{"hum":"NaN","value":"55","unit":5}`),
	mqttCase("an object in an object", `"{\"a\":{\"b\":1}}"`, `"value_text":"{\"a\":{\"b\":1}}"`),
	mqttCase("a key with a dot", `"{\"a.b\":1}"`, `"value_text":"{\"a.b\":1}"`),
	mqttCase("an empty object", `"{}"`, `"value_text":"{}"`),
	mqttCase("a list", `"[1,2]"`, `"value_text":"[1,2]"`),
	mqttCase("half an object", `"{\"a\":1"`, `"value_text":"{\"a\":1"`),
	mqttCase("an object with a number that is none", `"{\"a\":NaN,\"b\":007}"`, `"value_text":"{\"a\":NaN,\"b\":007}"`),
	mqttCase("what looks like a checksum", `"5*10"`, `"value_text":"5*10"`),
	mqttCase("words", `"hum=55.3 state=on"`, `"value_text":"hum=55.3 state=on","values":{"hum":55.3,"state":"on"},"humidity":55.3`),
	mqttCase("one word is none", `"hum=55.3"`, `"value_text":"hum=55.3"`),
	{name: "base64", line: mqtt + `"/wA="` + `,"encoding":"base64","truncated":true,"size":9` + serialEnd,
		want: `{"@timestamp":"2026-11-21T19:43:39.155Z","kind":"reading","boot":"1f3c9a44","monotonic":86.402513,"clock":{"synced":true},"source":"mqtt",
			"sensor":"pi/feeds/0","topic":"pi/feeds/0/temp","mqtt":{"qos":1,"retained":false,"duplicate":false,"message_id":7},"value_text":"/wA=","encoding":"base64","truncated":true,"size":9}`},
	{name: "base64 that is digits", line: mqtt + `"1234"` + `,"encoding":"base64"}`,
		want: wantAt + `"source":"mqtt","sensor":"pi/feeds/0","topic":"pi/feeds/0/temp","mqtt":{"qos":1,"retained":false,"duplicate":false,"message_id":7},"value_text":"1234","encoding":"base64"}`},
	{name: "properties of MQTT 5", line: at + `"topic":"t","qos":2,"retained":true,"duplicate":true,"id":1,"payload":"5","encoding":"text","content_type":"text/plain","response_topic":"r","correlation_data":"c","payload_format":1,"expiry":60,"subscriptions":[1,2],"user_properties":[["unit","C"],["a","b"]],"properties_truncated":true}`,
		want: wantAt + `"source":"mqtt","sensor":"t","topic":"t","value":5,"mqtt":{"qos":2,"retained":true,"duplicate":true,"message_id":1,"content_type":"text/plain","response_topic":"r",
			"correlation_data":"c","payload_format":1,"expiry":60,"subscriptions":[1,2],"user_properties":[["unit","C"],["a","b"]],"properties_truncated":true}}`},
	{name: "a topic that is no UTF-8", line: at + `"topic":"/3g=","topic_encoding":"base64","qos":0,"retained":false,"duplicate":false,"id":0,"payload":"5","encoding":"text"}`,
		want: wantAt + `"source":"mqtt","sensor":"","topic":"/3g=","topic_encoding":"base64","value":5,"mqtt":{"qos":0,"retained":false,"duplicate":false,"message_id":0}}`},
	{name: "a sensor's health", line: at + `"topic":"pi/health","qos":1,"retained":false,"duplicate":false,"id":9,"payload":"{\"up\":86400,\"reset\":\"power on\",\"rssi\":-61}","encoding":"text"}`,
		want: `{"@timestamp":"2026-11-21T19:43:39.155Z","kind":"health","source":"mqtt","sensor":"pi","topic":"pi/health","mqtt":{"qos":1,"retained":false,"duplicate":false,"message_id":9},
			"value_text":"{\"up\":86400,\"reset\":\"power on\",\"rssi\":-61}","values":{"up":86400,"reset":"power on","rssi":-61}}`},
	{name: "a sensor's status", line: at + `"topic":"pi/status","qos":1,"retained":true,"duplicate":false,"id":9,"payload":"offline","encoding":"text"}`,
		want: `{"@timestamp":"2026-11-21T19:43:39.155Z","kind":"status","source":"mqtt","sensor":"pi","topic":"pi/status","mqtt":{"qos":1,"retained":true,"duplicate":false,"message_id":9},"value_text":"offline"}`},
	serialCase("the Arduino's reading", `"{\"t\":\"sensor\",\"seq\":2,\"hum\":55.3,\"tem\":21.4}*15"`,
		`"value_text":"{\"t\":\"sensor\",\"seq\":2,\"hum\":55.3,\"tem\":21.4}*15","values":{"t":"sensor","seq":2,"hum":55.3,"tem":21.4},"humidity":55.3,"temperature":21.4`),
	serialCase("its words", `"t=sensor seq=12 hum=70.2 tem=-3.4*35"`,
		`"value_text":"t=sensor seq=12 hum=70.2 tem=-3.4*35","values":{"t":"sensor","seq":12,"hum":70.2,"tem":-3.4},"humidity":70.2,"temperature":-3.4`),
	serialCase("its words without checksum", `"t=sensor seq=12 err=timeout"`,
		`"value_text":"t=sensor seq=12 err=timeout","values":{"t":"sensor","seq":12,"err":"timeout"}`),
	{name: "its health", line: serial + `"{\"t\":\"health\",\"seq\":3,\"up_s\":2}"` + serialEnd,
		want: `{"@timestamp":"2026-11-21T19:43:39.155Z","kind":"health",` + wantBoot + `"value_text":"{\"t\":\"health\",\"seq\":3,\"up_s\":2}","values":{"t":"health","seq":3,"up_s":2}}`},
	{name: "its hello", line: serial + `"{\"t\":\"hello\",\"seq\":1,\"id\":\"avr-sensor\"}"` + serialEnd,
		want: `{"@timestamp":"2026-11-21T19:43:39.155Z","kind":"status",` + wantBoot + `"value_text":"{\"t\":\"hello\",\"seq\":1,\"id\":\"avr-sensor\"}","values":{"t":"hello","seq":1,"id":"avr-sensor"}}`},
	serialCase("a plain number", `"21.5*3C"`, `"value":21.5`),
	serialCase("half a line", `"0.3}","partial":true`, `"value_text":"0.3}","partial":true`),
	{name: "a gap", line: at + `"event":"gap","series":"serial-a","source":"serial","port":"usb:2341:0043:9573","device":"/dev/ttyACM0","reason":"unplugged","since":"2026-11-21T19:43:30Z"` + serialEnd,
		want: wantEvent + wantBoot + `"series":"serial-a","event":{"action":"gap","reason":"unplugged","since":"2026-11-21T19:43:30Z"}}`},
	{name: "back", line: at + `"event":"back","series":"serial-a","source":"serial","port":"usb:2341:0043:9573","device":"/dev/ttyACM0","seconds":9.5` + serialEnd,
		want: wantEvent + wantBoot + `"series":"serial-a","event":{"action":"back","seconds":9.5}}`},
	{name: "a wrong checksum", line: at + `"event":"checksum","series":"serial-a","source":"serial","port":"usb:2341:0043:9573","device":"/dev/ttyACM0","reason":"wrong","line":"12.5*FF"` + serialEnd,
		want: wantEvent + wantBoot + `"series":"serial-a","value_text":"12.5*FF","event":{"action":"checksum","reason":"wrong"}}`},
	{name: "dropped", line: at + `"event":"dropped","series":"mqtt","segment":"mqtt-0000000007.log","records":12,"bytes":3400,"reason":"full","total":{"segments":1,"records":12,"bytes":3400}}`,
		want: wantEvent + `"series":"mqtt","event":{"action":"dropped","segment":"mqtt-0000000007.log","records":12,"bytes":3400,"reason":"full","total":{"segments":1,"records":12,"bytes":3400}}}`},
	{name: "a clock that was corrected", line: mqtt + `"5","encoding":"text","synced":false}`, with: `{"clock":{"synchronised":false,"shift":86400.5,"original":"2026-11-20T19:43:38.655120334Z"}}`,
		want: wantAt + `"source":"mqtt","sensor":"pi/feeds/0","topic":"pi/feeds/0/temp","mqtt":{"qos":1,"retained":false,"duplicate":false,"message_id":7},"value":5,"temperature":5,
			"clock":{"synced":false,"corrected":true,"shift":86400.5,"original":"2026-11-20T19:43:38.655120334Z"}}`},
	{name: "an event of the input mqtt", line: "55.5", with: `{"@timestamp":"2026-11-21T19:43:39.155Z","mqtt":{"topic":"a/humid","qos":1,"retained":false,"duplicate":false,"message_id":3}}`,
		want: `{"@timestamp":"2026-11-21T19:43:39.155Z","kind":"reading","source":"mqtt","sensor":"a","topic":"a/humid","value":55.5,"humidity":55.5,"mqtt":{"qos":1,"retained":false,"duplicate":false,"message_id":3}}`},
	{name: "site and gateway by fields", line: mqtt + `"5","encoding":"text"}`, with: `{"fields":{"site":"hall-2","gateway":"pi-7","room":4}}`,
		want: wantAt + `"site":"hall-2","gateway":"pi-7","fields":{"room":4},"source":"mqtt","sensor":"pi/feeds/0","topic":"pi/feeds/0/temp","mqtt":{"qos":1,"retained":false,"duplicate":false,"message_id":7},"value":5,"temperature":5}`},
}

var textCases = []lineCase{
	{name: "the report's line", line: "2026-11-21T19:43:39+0000,/feeds/0/temp,21.5", want: wantText + `"topic":"/feeds/0/temp","value":21.5,"temperature":21.5}`},
	{name: "the report's line, humidity", line: "2026-11-21T20:43:39+0100,/feeds/0/humid,55", want: wantText + `"topic":"/feeds/0/humid","value":55,"humidity":55}`},
	{name: "a zone with a colon", line: "2026-11-21T20:43:39+01:00,/feeds/0/x,1", want: wantText + `"topic":"/feeds/0/x","value":1}`},
	{name: "UTC, with nanoseconds", line: "2026-11-21T19:43:39.000000001Z,/feeds/0/x,1", want: wantText + `"topic":"/feeds/0/x","value":1}`},
	{name: "commas in the payload", line: "2026-11-21T19:43:39+0000,/feeds/0/x,a,b,\"c\"", want: wantText + `"topic":"/feeds/0/x","value_text":"a,b,\"c\""}`},
	{name: "a payload that begins with the separator", line: "2026-11-21T19:43:39+0000,/feeds/0/x,,b", want: wantText + `"topic":"/feeds/0/x","value_text":",b"}`},
	{name: "%I %t %p, blanks before", line: "2026-11-21T19:43:39+0000 /feeds/0/x   b", want: wantText + `"topic":"/feeds/0/x","value_text":"  b"}`},
	{name: "an empty payload", line: "2026-11-21T19:43:39+0000,/feeds/0/temp,", want: wantText + `"topic":"/feeds/0/temp","value_text":""}`},
	{name: "a payload in quotes of the recorder", line: `2026-11-21T19:43:39+0000,/feeds/0/x,$'1\n2'`, want: wantText + `"topic":"/feeds/0/x","value_text":"$'1\\n2'"}`},
	{name: "an object in a text line", line: `2026-11-21T19:43:39+0000,/feeds/0/x,{"hum":55.3,"tem":21.4}`,
		want: wantText + `"topic":"/feeds/0/x","value_text":"{\"hum\":55.3,\"tem\":21.4}","values":{"hum":55.3,"tem":21.4},"humidity":55.3,"temperature":21.4}`},
	{name: "bytes that are no UTF-8", line: "2026-11-21T19:43:39+0000,/feeds/0/x,a\xffb", want: wantText + `"topic":"/feeds/0/x","value_text":"a\ufffdb"}`},
	{name: "%I %t %p", line: "2026-11-21T19:43:39+0000 /feeds/0/temp 21.5", want: wantText + `"topic":"/feeds/0/temp","value":21.5,"temperature":21.5}`},
	{name: "%I %t %p, several words", line: "2026-11-21T19:43:39+0000 /feeds/0/x all is well, today", want: wantText + `"topic":"/feeds/0/x","value_text":"all is well, today"}`},
	{name: "%I %t %p, nothing", line: "2026-11-21T19:43:39+0000 /feeds/0/x ", want: wantText + `"topic":"/feeds/0/x","value_text":""}`},
	{name: "an event in a text line", line: `2026-11-21T19:43:39+0000,$sluice/serial-a/gap,{"source":"serial","port":"/dev/ttyACM0"}`,
		want: `{"@timestamp":"2026-11-21T19:43:39Z","kind":"event","source":"mqtt","sensor":"$sluice/serial-a","topic":"$sluice/serial-a/gap","value_text":"{\"source\":\"serial\",\"port\":\"/dev/ttyACM0\"}","values":{"source":"serial","port":"/dev/ttyACM0"}}`},
}

// A line that can't be read is kept with the place where it stood; LOG stands for
// that.
var failureCases = []lineCase{
	{name: "no line of ours", line: "garbage", want: `{"message":"garbage","tags":["_lineparsefailure"],LOG}`},
	{name: "JSON of somebody else", line: `{"level":"info","value":{"a":1}}`, want: `{"message":"{\"level\":\"info\",\"value\":{\"a\":1}}","tags":["_lineparsefailure"],LOG}`},
	{name: "JSON in another order", line: `{"topic":{"a":1},"time":"x"}`, want: `{"message":"{\"topic\":{\"a\":1},\"time\":\"x\"}","tags":["_lineparsefailure"],LOG}`},
	{name: "half a record", line: at + `"topic":"a/b","qos":1,"pay`, want: `{"message":"{\"time\":\"2026-11-21T19:43:39.155120334Z\",\"topic\":\"a/b\",\"qos\":1,\"pay","tags":["_jsonparsefailure"],LOG}`},
	{name: "a time that is none", line: "2026-13-21T19:43:39+0000,/feeds/0/temp,21.5",
		want: `{"message":"2026-13-21T19:43:39+0000,/feeds/0/temp,21.5","tags":["_dateparsefailure"],"kind":"reading","source":"mqtt","sensor":"/feeds/0","topic":"/feeds/0/temp","value":21.5,"temperature":21.5,LOG}`},
	{name: "a record's time that is none", line: `{"time":"yesterday","topic":"a/b","payload":"5"}`,
		want: `{"message":"{\"time\":\"yesterday\",\"topic\":\"a/b\",\"payload\":\"5\"}","tags":["_dateparsefailure"],"kind":"reading","source":"mqtt","sensor":"a","topic":"a/b","value":5,LOG}`},
	{name: "an empty time", line: `{"time":"","topic":"a/b","payload":"5"}`,
		want: `{"message":"{\"time\":\"\",\"topic\":\"a/b\",\"payload\":\"5\"}","tags":["_dateparsefailure"],"kind":"reading","source":"mqtt","sensor":"a","topic":"a/b","value":5,LOG}`},
	{name: "a record without payload", line: at + `"topic":"a/b"}`,
		want: `{"@timestamp":"2026-11-21T19:43:39.155Z","message":"{\"time\":\"2026-11-21T19:43:39.155120334Z\",\"topic\":\"a/b\"}","tags":["_lineparsefailure"],"source":"mqtt","sensor":"a","topic":"a/b",LOG}`},
	{name: "a payload that is an object", line: at + `"topic":"a/b","payload":{"a":1}}`,
		want: `{"@timestamp":"2026-11-21T19:43:39.155Z","message":"{\"time\":\"2026-11-21T19:43:39.155120334Z\",\"topic\":\"a/b\",\"payload\":{\"a\":1}}","tags":["_lineparsefailure"],"source":"mqtt","sensor":"a","topic":"a/b",LOG}`},
	{name: "a payload that is a number", line: at + `"topic":"a/b","payload":5}`,
		want: `{"@timestamp":"2026-11-21T19:43:39.155Z","message":"{\"time\":\"2026-11-21T19:43:39.155120334Z\",\"topic\":\"a/b\",\"payload\":5}","tags":["_lineparsefailure"],"source":"mqtt","sensor":"a","topic":"a/b",LOG}`},
	{name: "fields of other types", line: at + `"topic":"a/b","qos":{"a":1},"retained":[1],"payload":"5"}`,
		want: wantAt + `"source":"mqtt","sensor":"a","topic":"a/b","value":5}`},
	{name: "two fields only", line: "2026-11-21T19:43:39+0000,/feeds/0/temp", want: `{"message":"2026-11-21T19:43:39+0000,/feeds/0/temp","tags":["_lineparsefailure"],LOG}`},
}
