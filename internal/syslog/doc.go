// Package syslog reads syslog messages: the BSD form of RFC 3164 and the form
// of RFC 5424. The processor syslog and the parser syslog of filestream use it.
//
//	<34>Oct 11 22:14:15 mymachine su[230]: 'su root' failed
//	<165>1 2003-10-11T22:14:15.003Z host app 77 ID47 [id@1 a="b"] a text
//
// # Reading on
//
// Much of what is called syslog bends the rules, so Parse returns what it could
// read together with the error. There are two kinds of faults. Where a value is
// wrong (a priority over 191, a day that does not exist), that value is left
// out and reading goes on: a validation error. Where the form is wrong, reading
// ends: a parsing error. Positions count bytes from 1.
//
// # Leniency
//
// As in Filebeat: RFC 3164 messages may lack the priority, may have a timestamp
// of RFC 3339, and may write a day with one digit. Structured data that is no
// list of elements becomes the beginning of the message.
// An escaped quote or backslash in structured data (\" or \\) ends reading, as
// in Filebeat 9.0.
package syslog
