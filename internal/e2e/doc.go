// Package e2e holds the end-to-end tests: the real binary against a real
// Mosquitto and a real Lumberjack server over TLS, with kills, full disks and
// absent servers in between. Each test counts every reading from the publisher
// to the receiver.
//
// They need the Debian package mosquitto; the test on a full disk mounts a
// tmpfs and so needs root.
package e2e
