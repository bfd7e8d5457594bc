//! Who the connections are: client identifiers, user names and passwords. Pure.

use bytes::Bytes;

use super::plan::PlanError;
use super::template::{Names, Place, Template, UnknownPlace};
use crate::mqtt::packet::Secret;
use crate::mqtt::session::Identity;
use crate::mqtt::text::Text;

/// Where the names of connections come from.
#[derive(Debug, Clone)]
pub struct Identities {
    client_id: Template,
    pub username: Option<Template>,
    pub password: Option<Password>,
    /// One row for each connection, and then from the start again; they go before what stands above.
    pub credentials: Vec<Credentials>,
}

/// A template that does not show in debug output.
#[derive(Clone)]
pub struct Password(pub Template);

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Password(…)")
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    pub client_id: Option<Text>,
    pub username: Text,
    pub password: Secret,
}

impl Identities {
    /// Client identifiers from a template, or from a prefix when there is no place in it.
    pub fn new(client_id: &str) -> Result<Self, UnknownPlace> {
        let template = Template::of_name(client_id)?;
        if template.places().next().is_none() {
            return Ok(Self::prefixed(client_id));
        }
        Ok(Self::named(template))
    }

    /// Client identifiers are `<prefix>-p<number>`, and `s` and `i` for the other roles.
    pub fn prefixed(prefix: &str) -> Self {
        Self::named(Template::new(format!("{prefix}-{{role}}{{i}}").as_bytes()))
    }

    fn named(client_id: Template) -> Self {
        Self {
            client_id,
            username: None,
            password: None,
            credentials: Vec::new(),
        }
    }

    fn row(&self, connection: usize) -> Option<&Credentials> {
        let row = connection.checked_rem(self.credentials.len())?;
        self.credentials.get(row)
    }

    pub fn names(&self, role: &'static str, index: usize, connection: usize) -> Names {
        let mut names = Names {
            index,
            connection,
            role,
            ..Names::default()
        };
        let row = self.row(connection);
        let fill = |template: &Template, names: &Names| {
            String::from_utf8_lossy(&template.bind(names).text()).into_owned()
        };
        names.user = match (row, &self.username) {
            (Some(row), _) => row.username.to_string(),
            (None, Some(template)) => fill(template, &names),
            (None, None) => String::new(),
        };
        names.client = match row.and_then(|row| row.client_id.as_ref()) {
            Some(client_id) => client_id.to_string(),
            None => fill(&self.client_id, &names),
        };
        names
    }

    /// How a connection with these names logs in.
    pub fn identity(&self, names: &Names) -> Result<Identity, PlanError> {
        let client_id = Text::try_from(names.client.as_str())?;
        if let Some(row) = self.row(names.connection) {
            return Ok(Identity {
                client_id,
                username: Some(row.username.clone()),
                password: Some(row.password.clone()),
            });
        }
        let username = self.username.as_ref().map(|_| names.user.as_str());
        let password = self
            .password
            .as_ref()
            .map(|password| password.0.bind(names).text());
        Ok(Identity {
            client_id,
            username: username.map(Text::try_from).transpose()?,
            password: password.map(|text| Secret(Bytes::from(text))),
        })
    }

    /// `roles` are the numbers of connections of each role.
    pub fn check(&self, roles: [usize; 3]) -> Result<(), PlanError> {
        let clients: usize = roles.iter().sum();
        if self.credentials.iter().any(|row| row.client_id.is_some()) {
            let rows = self.credentials.len();
            return if rows < clients {
                Err(PlanError::FewClientIds { rows, clients })
            } else {
                Ok(())
            };
        }
        let roles_used = roles.iter().filter(|count| **count > 0).count();
        let has = |place| self.client_id.has(place);
        let by_role = has(Place::Index) && (has(Place::Role) || roles_used == 1);
        let by_user = has(Place::User)
            && self.username.as_ref().is_some_and(|name| {
                name.has(Place::Connection) || (name.has(Place::Index) && roles_used == 1)
            });
        let unique = clients == 1 || has(Place::Connection) || by_role || by_user;
        if unique {
            Ok(())
        } else {
            let text = String::from_utf8_lossy(&self.client_id.text()).into_owned();
            Err(PlanError::SameClientId(text))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(
        identities: &Identities,
        role: &'static str,
        index: usize,
        connection: usize,
    ) -> Identity {
        let names = identities.names(role, index, connection);
        identities.identity(&names).unwrap()
    }

    #[test]
    fn a_name_without_a_place_is_a_prefix() {
        let identities = Identities::new("load").unwrap();
        assert_eq!(named(&identities, "s", 3, 13).client_id.as_str(), "load-s3");
        let identities = Identities::new("dev{c}").unwrap();
        assert_eq!(named(&identities, "s", 3, 13).client_id.as_str(), "dev13");
    }

    #[test]
    fn user_and_password_know_the_connection_and_each_other() {
        let mut identities = Identities::new("{user}").unwrap();
        identities.username = Some(Template::new(b"u{c}"));
        identities.password = Some(Password(Template::new(b"secret-{client}")));
        let identity = named(&identities, "p", 3, 13);
        assert_eq!(identity.client_id.as_str(), "u13");
        assert_eq!(identity.username.unwrap().as_str(), "u13");
        assert_eq!(identity.password.unwrap().0, "secret-u13");
        assert_eq!(identities.check([5, 5, 5]), Ok(()));
    }

    #[test]
    fn rows_are_dealt_out_and_begin_again() {
        let mut identities = Identities::new("c").unwrap();
        identities.credentials = (0..2)
            .map(|row| Credentials {
                client_id: None,
                username: Text::try_from(format!("u{row}")).unwrap(),
                password: Secret(Bytes::from(format!("p{row}"))),
            })
            .collect();
        let identity = named(&identities, "p", 0, 3);
        assert_eq!(identity.username.unwrap().as_str(), "u1");
        assert_eq!(identity.password.unwrap().0, "p1");
        assert_eq!(identities.check([3, 0, 0]), Ok(()));
        identities.credentials[0].client_id = Some(Text::try_from("own").unwrap());
        assert_eq!(named(&identities, "p", 0, 0).client_id.as_str(), "own");
        let few = PlanError::FewClientIds {
            rows: 2,
            clients: 3,
        };
        assert_eq!(identities.check([3, 0, 0]), Err(few));
    }

    #[test]
    fn client_identifiers_that_are_the_same_are_refused() {
        for (template, roles, unique) in [
            ("x{i}", [5, 0, 0], true),
            ("x{i}", [5, 1, 0], false),
            ("x{role}{i}", [5, 1, 0], true),
            ("{time}", [2, 0, 0], false),
            ("{role}", [1, 0, 0], true),
        ] {
            let checked = Identities::new(template).unwrap().check(roles);
            assert_eq!(checked.is_ok(), unique, "{template}");
        }
    }
}
