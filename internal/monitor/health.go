package monitor

import (
	"fmt"
	"time"
)

// lateLimit is how late the loop may be before the program counts as ill. A
// look at very many files on a slow card takes seconds.
const lateLimit = time.Minute

// illness says why the program isn't alive; empty if it is.
func (h *Health) illness() string {
	if h.Late > lateLimit {
		return fmt.Sprintf("the loop that looks for files is %v late: a disk or a network file system may hang", h.Late.Round(time.Second))
	}
	return ""
}

// obstacles say why the program can't do its work; none if it can.
func (h *Health) obstacles() (list []string) {
	if ill := h.illness(); ill != "" {
		list = append(list, ill)
	}
	switch {
	case h.Stopping:
		list = append(list, "the program is stopping")
	case !h.Started:
		list = append(list, "the inputs are being started")
	}
	list = append(list, h.Away...)
	for _, host := range h.Hosts {
		if host.Down == 0 {
			return list
		}
	}
	for _, host := range h.Hosts {
		text := fmt.Sprintf("%s has been away for %v", host.Name, host.Down.Round(time.Second))
		if host.Error != "" {
			text += ": " + host.Error
		}
		list = append(list, text)
	}
	return list
}
