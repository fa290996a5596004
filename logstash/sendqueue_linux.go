package logstash

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// newSendQueue asks the kernel about a TCP connection (SIOCOUTQ, tcp(7)).
func newSendQueue(conn net.Conn) sendQueue {
	socket, ok := conn.(syscall.Conn)
	if !ok {
		return noSendQueue
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return noSendQueue
	}
	return func() (int, bool) {
		var n int
		var queryErr error
		err := raw.Control(func(fd uintptr) { n, queryErr = unix.IoctlGetInt(int(fd), unix.SIOCOUTQ) })
		return n, err == nil && queryErr == nil
	}
}

func noSendQueue() (int, bool) { return 0, false }
