package tailer

import (
	"container/list"
	"sync"
)

// maxIdleOpen bounds the files that are kept open though they are read to
// their end, so that lines written just before a removal are not lost.
const maxIdleOpen = 128

// idleFiles is the cache of open files that have nothing to read, the longest
// idle first.
type idleFiles struct {
	mu    sync.Mutex
	order *list.List
	at    map[*file]*list.Element
}

func newIdleFiles() *idleFiles {
	return &idleFiles{order: list.New(), at: make(map[*file]*list.Element)}
}

// add takes an open file in; its io is held.
func (c *idleFiles) add(f *file) {
	c.mu.Lock()
	if c.at[f] == nil {
		c.at[f] = c.order.PushBack(f)
	}
	c.mu.Unlock()
	for old := c.oldest(f); old != nil && old.io.TryLock(); old = c.oldest(f) {
		if c.remove(old); !old.harvester.holds() {
			old.close("Closing file: many others are open")
		}
		old.io.Unlock()
	}
}

// oldest returns the file that must make room; nil if there is room, or only
// the given file is in the way.
func (c *idleFiles) oldest(but *file) *file {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.order.Len() <= maxIdleOpen {
		return nil
	}
	if first := c.order.Front().Value.(*file); first != but {
		return first
	}
	return nil
}

func (c *idleFiles) remove(f *file) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.at[f]; e != nil {
		c.order.Remove(e)
		delete(c.at, f)
	}
}
