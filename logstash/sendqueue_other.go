//go:build !linux

package logstash

import "net"

func newSendQueue(net.Conn) sendQueue { return func() (int, bool) { return 0, false } }
