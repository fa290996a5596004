// Package durable is the one place that knows in which order bytes must be
// written so that they survive a power cut.
//
// # Nouns
//
//   - replace: give a name new content, all of it or nothing (WriteFile,
//     Replace).
//   - File: an append-only file whose bytes become durable in groups: any
//     number of Append calls, then one Commit (one write, one fsync).
//   - durable size: the length of a File up to which everything is on disk.
//   - cut back: shorten a File to its durable size after a failed Commit, so
//     that no half-written group stays between two good ones.
//
// # Orders
//
// Replace: create the temporary file in the same folder, write, fsync, close,
// rename over the name, fsync the folder. The temporary file is removed when
// any step before the rename fails. Its name is fixed (path + ".new" for
// WriteFile): what a power cut leaves behind is overwritten by the next
// replace and never accumulates. Two replaces of one name must therefore not
// run at the same time; the callers' own locks see to that.
//
// File: a new file is created, then its folder is fsynced before OpenFile
// returns, so that the name cannot vanish from under fsynced bytes. Commit is
// write, then fsync. Commit returns nil only when every byte is on disk.
//
// Remove and Rename: change the name, then fsync the folder.
//
// # Guarantees
//
//   - After WriteFile returns nil, the name has the new content after any
//     crash; after an error or a crash inside it, the old or the new one, whole.
//   - After Commit returns nil, the File's first Size bytes are on disk.
//   - After Commit returns an error (full disk, I/O error), the appended bytes
//     are still held in memory; the next Commit first cuts the file back to its
//     durable size and then writes them again. So the next Commit is the retry.
//     After a failed fsync the kernel may have dropped the pages: cutting back
//     and writing again makes them dirty again, which a bare second fsync does
//     not.
//
// # Known losses
//
//   - A disk that acknowledges a flush and loses it cannot be helped.
//   - A folder on a file system that cannot fsync folders (EINVAL or ENOTSUP:
//     some FUSE and network file systems) is taken as synced.
//   - A crash inside Commit may leave a part of the group in the file: readers
//     of the format must know a torn tail when they see one.
package durable
