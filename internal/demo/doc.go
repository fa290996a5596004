// Package demo runs the whole way of a reading in one process, from a sensor to
// an acknowledged and deleted file, and proves by counting each single reading
// that none is lost and none doubled. It is what "sluice demo" does.
//
// # What is real, and what is simulated
//
// Real are the recorder, the tailer with registry and Logstash output, and the
// cleaner: the same code, put together by the same package (internal/gateway)
// from the same config.Config as in production. They know nothing of the demo
// and meet everything else through files and TCP connections with TLS. Only
// sizes and waits differ from the defaults, so that segments fill up in seconds:
// see settings.
//
// Simulated are
//
//   - the sensors: five paho clients, each with a topic /feeds/N/humid and one
//     /feeds/N/temp as the firmware has them; random walks; QoS 1; TLS; password;
//   - the broker: mochi-mqtt in this process, with TLS, passwords, and rights
//     (sensors write, the recorder reads). Its certificate and the receiver's
//     come from an authority made for this run (EC P-256, SANs localhost,
//     127.0.0.1 and ::1);
//   - Logstash: go-lumber's server with TLS. It enters each event into the ledger
//     and then acknowledges the window.
//
// All ports are free loopback ports; all files are in one temporary folder, which
// is removed unless Options.Dir names it or something went wrong.
//
// # How each reading is known
//
// A reading is a plain number whose first decimal is what the sensor measured
// and whose next eight digits number the readings of the topic: 55.300000417 is
// reading 417, of 55.3 %. So no two readings of a topic are equal, and a loss can't
// hide behind a double of an equal value. (That the recorder keeps equal readings
// apart from redeliveries is proved in its own tests.) The ledger holds four facts
// about each reading: the broker took it; its sensor has the PUBACK; and it
// arrived, under which event ids.
//
// MQTT's QoS 1 lets a sensor publish twice when a PUBACK is lost. That would be
// the sensor's double, not the gateway's; so the broker looks into the ledger,
// acknowledges a reading that it has already, and does not deliver it again.
// With that, each published reading enters the gateway once, and any double at
// the far end is the gateway's.
//
// # What the broker adds to mochi
//
// Four faults of mochi 2.7.9 would spoil the count. It drops messages silently when
// a subscriber's queue is full: here sensors wait for their PUBACK when 4,096
// messages wait for the recorder. It loses or doubles messages that come in while a
// session moves to a new connection: here nothing is taken in meanwhile. It
// begins message ids at 1 with each connection, though those of the session are
// still in use: here they go on, as Mosquitto's do. It refuses a SUBSCRIBE whose
// id is equal to that of a PUBLISH on its way: here the SUBSCRIBE gets another one.
// After a lost connection mochi delivers again in arbitrary order, which stays so.
//
// # What the numbers mean
//
//	published   readings whose sensor has the PUBACK. A sensor publishes each
//	            reading until then, however often connections end.
//	recorded    line feeds in sealed segments, counted on disk by the demo itself
//	            before the cleaner may see the segment.
//	shipped     events for which the tailer has an acknowledgement, each once.
//	received    events in all windows that the receiver has read, repeats included.
//	unique      different @metadata._id among them: what an index holds that
//	            stores each id once.
//	lost        published readings that arrived under no id. An event whose id
//	            was seen before with another reading counts as not arrived, since
//	            an index would drop it.
//	duplicated  further ids under which a reading arrived: an index would hold it
//	            that many times more.
//	sealed      segments that the recorder finished.
//	deleted     segments that the cleaner removed: acknowledged to their last byte,
//	            in the registry and on disk.
//	seconds     from the first reading to the last deletion.
//
// The run is proved when lost and duplicated are 0, deleted equals sealed, recorded
// equals unique, and no event came that is no published reading. Received minus
// unique is what was sent again after a lost acknowledgement: it is 0 without
// chaos, and not a fault with it.
//
// # Chaos
//
// With Options.Chaos six blows are dealt at fixed shares of the run; sensors wait
// at the share of the next blow if one is late, so that the fastest run suffers
// them all.
//
//   - Connection cut (twice): the receiver takes a window in and resets the tailer's
//     connection instead of acknowledging. The tailer must send the window again,
//     with the same ids.
//   - Broker killed (twice): port and all connections are gone at once, with
//     whatever was in their buffers; half a second later the port is back. What
//     survives is the sessions with their unacknowledged messages, in memory, as
//     Mosquitto keeps them on disk with "persistence true": the kill stands for
//     a crash of the broker that loses no message that it has acknowledged.
//   - Receiver killed (twice): the same for the receiver; windows that it had
//     entered and not acknowledged come again.
//
// Recorder and tailer are not killed here, since they share a process with the
// ledger; the end-to-end tests do that.
//
// # The end
//
// The sensors end first; the recorder is stopped when the broker holds nothing for
// it any more, and seals its segment; the tailer ships the rest; the cleaner, run
// with an age of 0 all along, deletes the last segment. A signal stops the sensors
// early and changes nothing else. There is no time limit, but without any progress
// for Options.Patience (3 minutes) the run is given up.
package demo
