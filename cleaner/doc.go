// Package cleaner deletes files that were shipped to their last byte.
//
// # The rule
//
// A file is deleted when all of this holds, looked at in this order:
//
//  1. its state in the registry names the inode, and the path leads to a
//     regular file, not to a link, with that device and inode (a reused inode
//     is seen by the file's birth time and the hash of its first bytes, where
//     the state has them);
//  2. its size equals the durable offset of that state, and of every other
//     state with the same identity, or with its path where a state does not
//     name an inode (two inputs may read one file);
//  3. it is sealed: for a segment the recorder's word, see Options.Sealed; any
//     other file counts as sealed when it was not changed for OlderThan;
//  4. it is older than OlderThan, by the later of its modification time (mtime)
//     and its change time (ctime). The script that this replaces used ctime
//     alone; the later of both also keeps a file whose mtime was set ahead;
//  5. it has no second name (hard link): removing one would free nothing and
//     the other could be shipped again;
//  6. no process has it open for writing. The kernel answers that when it
//     grants a read lease (fcntl F_SETLEASE); from then on it also delays
//     everybody who would open the file for writing until the file is gone.
//     Where leases do not exist (file systems without them, a file of another
//     user without CAP_LEASE) point 3 must do.
//
// Points 1 and 2 are looked at again on the open file descriptor right before
// the removal, and all happens relative to the open folder, so that a folder
// that is replaced meanwhile can't lead to another file.
//
// # Order
//
// Files are removed, then their folder is fsynced, and only then are their
// states forgotten: a crash in between leaves a state without a file, which is
// harmless; the other order would ship the file again.
//
// # Guarantees
//
//   - What is not durably acknowledged is never deleted: a state that is only
//     in the tailer's memory does not count.
//   - One cleaner at a time and registry (Lock).
//   - A file that can't be looked at or removed is reported; the others go on.
//   - Empty folders stay. Links stay, and so do their targets.
//   - A state whose file is gone stays: the disk may only be unmounted. The
//     tailer forgets it by clean_removed.
//
// # Known losses
//
// Without a lease, a process that kept a foreign file open through OlderThan
// without writing may append between the last look and the removal. Clean looks
// at the open descriptor once more after the removal and reports such a file as
// failed, with the number of lost bytes.
package cleaner
