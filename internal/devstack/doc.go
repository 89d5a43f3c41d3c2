// Package devstack runs the servers that development and tests need, PostgreSQL and QuestDB, as children of this program:
// it finds or fetches their programs, starts them on folders and sockets of the project's own, and leaves none running
// however the program ends. The product does not import it.
//
// Everything it keeps is below [StateDir]. What it looks at in the environment:
//
//	DEV_POSTGRES_BIN  folder with initdb and postgres, 15 or later, to use instead of the pinned server
//	JAVA_HOME         the Java to run QuestDB with, 17 or later
//	QUESTDB_JAR       QuestDB's jar, to use instead of fetching it
//	DEV_MAVEN_URL     a repository in Maven's layout to fetch QuestDB's jar from when there is no mvn command
package devstack
